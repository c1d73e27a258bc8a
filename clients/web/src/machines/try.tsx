/**
 * An instance of a version, to try it: the input by the form of its `input_schema`, or as JSON.
 *
 * Laws:
 * - What was filled in stays until the instance is there.
 * - Who starts one goes to its page, also where it failed at once: there is what happened.
 */

import { useMemo, useState } from "react";
import { Play } from "lucide-react";
import { useLocation } from "wouter";
import type { DefinedVersion, FieldFault, InterlockError, JsonValue } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { JsonForm } from "../forms/lazy.tsx";
import { wantsForm } from "../forms/simplified.ts";
import { pathOf } from "../run/paths.ts";
import type { Schema } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { dropDrafts, useDraft } from "../ui/draft.ts";
import { TextField } from "../ui/fields.tsx";
import { parsed } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { errorOf } from "../ui/use-answer.ts";
import { numberOf } from "./words.ts";

/** How long the server may take until it answers; the page follows the instance by itself. In seconds. */
const WAIT = 1;

interface TryProps {
  version: DefinedVersion;
  isCurrent: boolean;
}

/** The button, and the dialog that it opens. */
export function TryButton({ version, isCurrent }: TryProps) {
  const [isOpen, setOpen] = useState(false);
  const which = numberOf(version).toLowerCase();
  return (
    <>
      <Button small onPress={() => setOpen(true)}>
        <Play size={14} aria-hidden /> {isCurrent ? "Start…" : "Try…"}
      </Button>
      <Dialog
        title={isCurrent ? `Start an instance of ${version.name}` : `Try ${which} of ${version.name}`}
        isOpen={isOpen}
        onClose={() => setOpen(false)}
      >
        <TryForm version={version} isCurrent={isCurrent} onDone={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

function TryForm({ version, isCurrent, onDone }: TryProps & { onDone: () => void }) {
  const schema = schemaOf(version.definition.input_schema);
  const draft = `try/${version.name}`;
  const { start, isBusy, error } = useStarting(version, isCurrent, () => {
    dropDrafts(draft);
    onDone();
  });
  const faults = useMemo(() => faultsIn(error), [error]);
  return (
    <div className="stack">
      <p className="hint">
        {isCurrent ? "It is an instance like any other." : "It does what the version says, calls to others included."}
      </p>
      {wantsForm(schema) ? (
        <JsonForm
          draft={draft}
          schema={schema}
          label="Input of the instance"
          submit="Start"
          isBusy={isBusy}
          faults={faults}
          onSubmit={(values) => void start(values)}
        />
      ) : (
        <JsonInput draft={draft} isBusy={isBusy} onSubmit={(values) => void start(values)} />
      )}
      {error && faults.length === 0 && <Notice tone="fault">{error.message}</Notice>}
    </div>
  );
}

function useStarting(version: DefinedVersion, isCurrent: boolean, onStarted: () => void) {
  const { client } = useInterlock();
  const [, navigate] = useLocation();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const show = (runId: string) => {
    onStarted();
    navigate(pathOf({ workflowId: version.name, runId }));
  };
  const start = async (input: Record<string, JsonValue>) => {
    setBusy(true);
    setError(null);
    try {
      const which = isCurrent ? {} : { versionId: version.version_id };
      show((await client.instances.create(version.name, input, { ...which, wait: WAIT })).id);
    } catch (fault) {
      const known = errorOf(fault);
      if (known.runId !== undefined) show(known.runId);
      else setError(known);
      setBusy(false);
    }
  };
  return { start, isBusy, error };
}

/** What is wrong, by the fields of the input. */
function faultsIn(error: InterlockError | null): FieldFault[] {
  return (error?.fields ?? []).map(({ field, error }) => ({ field: field.replace(/^(message|input)\.?/, ""), error }));
}

function schemaOf(declared: JsonValue | undefined): Schema {
  const isObject = typeof declared === "object" && declared !== null && !Array.isArray(declared);
  return isObject ? { type: "object", ...declared } : {};
}

interface JsonInputProps {
  draft: string;
  isBusy: boolean;
  onSubmit: (values: Record<string, JsonValue>) => void;
}

function JsonInput({ draft, isBusy, onSubmit }: JsonInputProps) {
  const [text, setText] = useDraft(draft, "{}");
  const [fault, setFault] = useState<string | null>(null);
  const submit = () => {
    const found = objectIn(text);
    if ("fault" in found) setFault(found.fault);
    else onSubmit(found.value);
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <TextField
        label="Input, as JSON"
        rows={6}
        code
        value={text}
        error={fault}
        onChange={(value) => {
          setText(value);
          setFault(null);
        }}
      />
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Start
        </Button>
      </div>
    </form>
  );
}

function objectIn(text: string): { value: Record<string, JsonValue> } | { fault: string } {
  const found = parsed(text);
  if ("fault" in found) return found;
  const { value } = found;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? { value } : { fault: "An input is an object: {…}" };
}
