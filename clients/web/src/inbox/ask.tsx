/** Somebody is asked something, by hand: whom, what, and how they may answer. */

import { useState } from "react";
import { MessageCirclePlus } from "lucide-react";
import { InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { useSession } from "../session/context.ts";
import { base } from "../session/session.ts";
import { announce } from "../ui/announcer.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useDraft } from "../ui/draft.ts";
import { Checkbox, Choice, Picker, TextField } from "../ui/fields.tsx";
import { Notice } from "../ui/notice.tsx";
import { PersonField, usePeople } from "../ui/people.tsx";
import { useServerNow } from "../ui/time.tsx";
import { errorOf } from "../ui/use-answer.ts";
import { bodyOf, hasOptions, isForGroup, missingIn, type Draft, type Way } from "./asking.ts";

const WAYS: readonly { key: Way; label: string }[] = [
  { key: "confirm", label: "Yes or no" },
  { key: "select", label: "One of several options" },
  { key: "multi_select", label: "Any of several options" },
  { key: "input", label: "A text" },
];
const PRIORITIES = [
  { key: "low", label: "Low" },
  { key: "normal", label: "Normal" },
  { key: "high", label: "High" },
  { key: "urgent", label: "Urgent" },
] as const;
const HOURS = [
  { key: "0", label: "As long as it takes" },
  { key: "1", label: "An hour" },
  { key: "24", label: "A day" },
  { key: "168", label: "A week" },
];
/** How the server says that all namespaces of the account are the user's. */
const EVERYWHERE = "*";
const MAY = ["interactions:manage", "admin"];

/** The button, for those who may ask. */
export function AskSomebody() {
  const { scopes } = useInterlock().connection;
  const [isOpen, setOpen] = useState(false);
  if (!scopes.some((each) => MAY.includes(each))) return null;
  return (
    <>
      <Button small tone="quiet" onPress={() => setOpen(true)}>
        <MessageCirclePlus size={14} aria-hidden /> Ask somebody…
      </Button>
      <Dialog title="Ask somebody" isOpen={isOpen} onClose={() => setOpen(false)}>
        <AskForm onClose={() => setOpen(false)} />
      </Dialog>
    </>
  );
}

/** The projects of whoever is signed in. */
function useProjects(): readonly string[] {
  return useInterlock().connection.namespaces.filter((each) => each !== EVERYWHERE);
}

const NEW: Draft = {
  project: "",
  to: "",
  everybody: false,
  way: "confirm",
  title: "",
  message: "",
  options: "",
  priority: "normal",
  hours: 0,
};

/** Sends what the form holds; keeps one key for the same question, however often it is sent. */
function useAsking(draft: Draft, onAsked: () => void) {
  const { token } = useSession();
  const now = useServerNow();
  const [key] = useState(() => crypto.randomUUID());
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const submit = async () => {
    const missing = missingIn(draft);
    setFault(missing);
    if (missing !== null) return;
    setBusy(true);
    try {
      await asked(draft.project, JSON.stringify(bodyOf(draft, now)), token ?? "", key);
      onAsked();
    } catch (error) {
      setFault(errorOf(error).message);
      setBusy(false);
    }
  };
  return { submit, isBusy, fault };
}

async function asked(project: string, body: string, token: string, key: string): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json", "Idempotency-Key": key };
  const path = `${base}v1/projects/${encodeURIComponent(project)}/interactions`;
  const answer = await fetch(path, { method: "POST", headers, body }).catch(() => null);
  if (answer === null) throw new InterlockError("unreachable", "The server can’t be reached. Try again in a while.");
  if (answer.ok) return;
  const { error } = (await answer.json()) as { error: { code: string; message: string; details?: unknown } };
  throw new InterlockError(error.code, [error.message, ...faultsIn(error.details)].join(" "));
}

/** What is said of each field that is wrong. */
function faultsIn(details: unknown): string[] {
  if (!Array.isArray(details)) return [];
  return (details as { field?: string; error?: string }[]).map(({ field = "", error = "" }) => `${field}: ${error}.`);
}

function AskForm({ onClose }: { onClose: () => void }) {
  const [project = ""] = useProjects();
  const [kept, setDraft] = useDraft<Draft>("inbox/ask", NEW);
  const draft = kept.project === "" ? { ...kept, project } : kept;
  const set = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  const { submit, isBusy, fault } = useAsking(draft, () => {
    setDraft({ ...NEW, project: draft.project });
    announce(`${draft.to} is asked.`);
    onClose();
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Whom draft={draft} onChange={set} />
      <TextField label="What is asked" rows={3} value={draft.message} onChange={(message) => set({ message })} />
      <TextField label="Title (optional)" value={draft.title} onChange={(title) => set({ title })} />
      <Choice
        label="How it is answered"
        options={WAYS}
        value={draft.way}
        onChange={(way) => set({ way: WAYS.find(({ key }) => key === way)?.key ?? "confirm" })}
      />
      {hasOptions(draft) && (
        <TextField
          label="Options, one a line"
          rows={3}
          value={draft.options}
          onChange={(options) => set({ options })}
        />
      )}
      <Urgency draft={draft} onChange={set} />
      {fault && <Notice tone="fault">{fault}</Notice>}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Ask
        </Button>
        <Button tone="quiet" isDisabled={isBusy} onPress={onClose}>
          Not now
        </Button>
      </div>
    </form>
  );
}

/** How urgent it is, and how long it waits. */
function Urgency({ draft, onChange }: { draft: Draft; onChange: (part: Partial<Draft>) => void }) {
  return (
    <div className="bar">
      <Picker
        label="Priority"
        options={PRIORITIES}
        value={draft.priority}
        onChange={(key) => onChange({ priority: PRIORITIES.find((each) => each.key === key)?.key ?? "normal" })}
      />
      <Picker
        label="How long it waits"
        options={HOURS}
        value={String(draft.hours)}
        onChange={(hours) => onChange({ hours: Number(hours) })}
      />
    </div>
  );
}

/** For whom it is, and, where that isn't clear, in which project. */
function Whom({ draft, onChange }: { draft: Draft; onChange: (part: Partial<Draft>) => void }) {
  const people = usePeople();
  const projects = useProjects();
  return (
    <>
      <PersonField label="Whom" people={people} value={draft.to} onChange={(to) => onChange({ to })} autoFocus />
      {isForGroup(draft) && (
        <Checkbox isSelected={draft.everybody} onChange={(everybody) => onChange({ everybody })}>
          Everybody in the group has to respond
        </Checkbox>
      )}
      {projects.length > 1 && (
        <Picker
          label="Project"
          options={projects.map((key) => ({ key, label: key }))}
          value={draft.project}
          onChange={(project) => onChange({ project })}
        />
      )}
      {projects.length === 0 && (
        <TextField label="Project" value={draft.project} onChange={(project) => onChange({ project })} />
      )}
    </>
  );
}
