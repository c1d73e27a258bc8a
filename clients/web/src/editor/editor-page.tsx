/**
 * The editor of a machine: its JSON, beside it what is wrong and the diagram, as one types.
 *
 * Laws:
 * - What was written stays until it was saved or thrown away: see `kept.ts`.
 * - Nothing is published here: what is saved is a draft.
 */

import "../styles/editor.css";
import { useCallback, useRef, useState } from "react";
import { AlertTriangle, Check, CircleX, LoaderCircle } from "lucide-react";
import { Link, useLocation, useParams } from "wouter";
import type { InterlockError, JsonValue, MachineDefinition } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { machineOf } from "../machines/paths.ts";
import { Sections } from "../machines/sections.tsx";
import { StateDiagram } from "../machines/state-diagram.tsx";
import { partOf } from "../run/paths.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { counted } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { useTitle } from "../ui/title.ts";
import { errorOf, useAnswer } from "../ui/use-answer.ts";
import { useChecked, type Checked } from "./check.ts";
import { BEGINNINGS } from "./examples.ts";
import JsonEditor, { type Caret } from "./json-editor.tsx";
import { useKept } from "./kept.ts";
import { JsonText, type Fault } from "./lines.ts";
import { written } from "./written.ts";

/** `#/editor` and `#/editor/<name>/<version>`. */
export function EditorPage() {
  const params = useParams<{ name?: string; versionId?: string }>();
  const [name, versionId] = [params.name, params.versionId].map((part) =>
    part === undefined ? undefined : partOf(part),
  );
  useTitle(name === undefined ? "New machine" : `${name}, editor`);
  return (
    <div className="page wide">
      <Sections current="machines" />
      {name === undefined || versionId === undefined ? (
        <Editor key="new" name={null} keptAs="new" saved="" />
      ) : (
        <OfVersion key={`${name} ${versionId}`} name={name} versionId={versionId} />
      )}
    </div>
  );
}

function OfVersion({ name, versionId }: { name: string; versionId: string }) {
  const { client } = useInterlock();
  const { data, error, again } = useAnswer(`version ${name} ${versionId}`, () =>
    client.machines.version(name, versionId),
  );
  if (data !== null) {
    const saved = written(data.definition as unknown as JsonValue);
    return <Editor name={name} keptAs={`${name}/${versionId}`} saved={saved} />;
  }
  return (
    <>
      <h1>{name}</h1>
      {error === null ? (
        <Skeleton label="Loading the definition" lines={8} />
      ) : (
        <Notice tone="fault" again={again}>
          The definition can’t be loaded: {error.message} <Link href={machineOf(name)}>See its versions</Link>.
        </Notice>
      )}
    </>
  );
}

interface EditorProps {
  /** The machine whose version is edited; null for a new one. */
  name: string | null;
  /** What the text is kept under. */
  keptAs: string;
  saved: string;
}

function Editor({ name, keptAs, saved }: EditorProps) {
  const { text, write, isChanged } = useKept(keptAs, saved);
  const { checked, isChecking } = useChecked(text);
  const { save, isBusy, error, reset } = useSaving(name, () => write(saved));
  const caret = useRef<Caret | null>(null);
  const onReady = useCallback((made: Caret) => void (caret.current = made), []);
  const goTo = (fault: Fault) => caret.current?.goTo(fault.from);
  const goToState = (state: string) => caret.current?.goTo(new JsonText(text).placeOf(`states.${state}`).from);
  const change = (next: string) => {
    write(next);
    reset();
  };
  const trySave = (mayBeThere = false) => void (text.trim() !== "" && !isBusy && save(text, mayBeThere));
  return (
    <>
      <header className="page-head">
        <h1>{name ?? "New machine"}</h1>
        {isChanged && text.trim() !== "" && <span className="badge ask">Not saved</span>}
        <span className="spacer" />
        {isChanged && text.trim() !== "" && <DiscardButton isNew={name === null} onDiscard={() => change(saved)} />}
        {text.trim() !== "" && (
          <Button small onPress={() => change(formatted(text))} isDisabled={formatted(text) === text}>
            Format
          </Button>
        )}
        <Button tone="primary" small isPending={isBusy} isDisabled={text.trim() === ""} onPress={() => trySave()}>
          Save as draft
        </Button>
      </header>
      <Refusal error={error} onSaveAnyway={() => trySave(true)} />
      <OtherName name={name} definition={checked?.definition} />
      {name === null && text.trim() === "" ? (
        <Beginnings onPick={change} />
      ) : (
        <div className="studio">
          <div className="studio-text">
            <JsonEditor
              label="Definition, as JSON"
              text={text}
              onChange={change}
              faults={checked?.text === text ? checked.faults : NONE}
              onSave={trySave}
              onReady={onReady}
            />
            <p className="hint">Tab indents; Escape, then Tab leaves the editor. Ctrl and Space shows what fits.</p>
          </div>
          <div className="studio-side">
            <Problems checked={checked} isChecking={isChecking} onGo={goTo} />
            <Picture checked={checked} onGo={goToState} />
          </div>
        </div>
      )}
    </>
  );
}

const NONE: readonly Fault[] = [];

function formatted(text: string): string {
  try {
    return written(JSON.parse(text) as JsonValue);
  } catch {
    return text;
  }
}

// ── Saving ────────────────────────────────────────────────────────────────────────────────────────────

function useSaving(name: string | null, onSaved: () => void) {
  const { client } = useInterlock();
  const [, navigate] = useLocation();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const save = async (text: string, mayBeThere: boolean) => {
    setBusy(true);
    setError(null);
    try {
      const definition = JSON.parse(text) as MachineDefinition;
      const onlyNew = !mayBeThere && definition.name !== name;
      const made = await client.machines.create(definition, { onlyNew });
      onSaved();
      announce("Saved as a draft.");
      navigate(machineOf(made.name ?? definition.name, made.version_id));
    } catch (fault) {
      setError(fault instanceof SyntaxError ? errorOf("This isn’t JSON yet: see what is wrong.") : errorOf(fault));
      setBusy(false);
    }
  };
  return { save, isBusy, error, reset: () => setError(null) };
}

function Refusal({ error, onSaveAnyway }: { error: InterlockError | null; onSaveAnyway: () => void }) {
  if (error === null) return null;
  if (error.code === "workflow_exists") {
    return (
      <Notice tone="fault" again={onSaveAnyway} action="Save as its next version">
        There is a machine of this name already. Give this one another name, or make it the next version of that.
      </Notice>
    );
  }
  return <Notice tone="fault">It isn’t saved. {error.message}</Notice>;
}

/** Says so where what is saved would be another machine. */
function OtherName({ name, definition }: { name: string | null; definition: JsonValue | undefined }) {
  const said = (definition as { name?: JsonValue } | null | undefined)?.name;
  if (name === null || typeof said !== "string" || said === name) return null;
  return (
    <Notice>
      It is called <strong>{said}</strong> here: saved, it is a draft of that machine, and <strong>{name}</strong> stays
      as it is.
    </Notice>
  );
}

function DiscardButton({ isNew, onDiscard }: { isNew: boolean; onDiscard: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <Button tone="quiet" small onPress={() => setOpen(true)}>
        {isNew ? "Begin anew…" : "Discard changes…"}
      </Button>
      <Dialog title={isNew ? "Throw this away?" : "Discard the changes?"} isOpen={isOpen} onClose={close}>
        <div className="stack">
          <p>What is written here, and isn’t saved, is gone then.</p>
          <div className="actions">
            <Button
              tone="danger"
              onPress={() => {
                onDiscard();
                close();
              }}
            >
              {isNew ? "Throw it away" : "Discard"}
            </Button>
            <Button tone="quiet" onPress={close}>
              Keep it
            </Button>
          </div>
        </div>
      </Dialog>
    </>
  );
}

function Beginnings({ onPick }: { onPick: (text: string) => void }) {
  const [fault, setFault] = useState(false);
  return (
    <section className="stack" aria-label="Begin with">
      <h2>Begin with</h2>
      {fault && <Notice tone="fault">The example can’t be loaded: the server can’t be reached.</Notice>}
      <ul className="beginnings">
        {BEGINNINGS.map(({ key, label, description, load }) => (
          <li key={key}>
            <Button onPress={() => void load().then(onPick, () => setFault(true))}>
              <strong>{label}</strong>
              <span className="hint">{description}</span>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

// ── Beside the text ───────────────────────────────────────────────────────────────────────────────────

interface ProblemsProps {
  checked: Checked | null;
  isChecking: boolean;
  onGo: (fault: Fault) => void;
}

function Problems({ checked, isChecking, onGo }: ProblemsProps) {
  const faults = checked?.faults ?? NONE;
  const wrong = faults.filter(({ severity }) => severity === "error").length;
  return (
    <section className="problems" aria-label="Validation">
      <p className="problems-head" role="status">
        <Verdict checked={checked} isChecking={isChecking} wrong={wrong} warned={faults.length - wrong} />
      </p>
      {checked?.problem && <Notice tone="fault">It can’t be checked: {checked.problem}</Notice>}
      {faults.length > 0 && (
        <ul aria-label="Faults">
          {faults.map((fault, place) => (
            <li key={place}>
              <button type="button" className={`problem ${fault.severity}`} onClick={() => onGo(fault)}>
                {fault.severity === "error" ? (
                  <CircleX size={15} aria-hidden />
                ) : (
                  <AlertTriangle size={15} aria-hidden />
                )}
                <span className="problem-line">Line {fault.line}</span>
                <span>
                  {fault.severity === "warning" && <span className="unseen">Warning: </span>}
                  {fault.message}
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

interface VerdictProps {
  checked: Checked | null;
  isChecking: boolean;
  wrong: number;
  warned: number;
}

function Verdict({ checked, isChecking, wrong, warned }: VerdictProps) {
  if (isChecking) {
    return (
      <>
        <LoaderCircle size={16} aria-hidden /> Checking…
      </>
    );
  }
  if (checked?.problem) return null;
  const warnings = warned === 0 ? "" : counted(warned, "warning");
  if (wrong > 0) {
    return (
      <span className="bad">
        <CircleX size={16} aria-hidden /> {[counted(wrong, "fault"), warnings].filter(Boolean).join(", ")}
      </span>
    );
  }
  return (
    <span className="good">
      <Check size={16} aria-hidden /> {warnings === "" ? "Nothing is wrong" : `It can be saved; ${warnings}`}
    </span>
  );
}

function Picture({ checked, onGo }: { checked: Checked | null; onGo: (state: string) => void }) {
  const [last, setLast] = useState<JsonValue | undefined>(undefined);
  const now = checked?.definition;
  if (now !== undefined && now !== last) setLast(now);
  if (last === undefined) return <Empty title="No diagram yet">It is drawn as soon as the text is JSON.</Empty>;
  return (
    <StateDiagram
      definition={last}
      actions={(state) => (
        <Button small onPress={() => onGo(state)}>
          Show in the text
        </Button>
      )}
    />
  );
}
