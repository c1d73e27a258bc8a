/** What waits for a signal: nobody decides it. Whoever may signal the run can send one by hand. */

import { useState } from "react";
import { InterlockError, type JsonValue } from "@interlock/client";
import { useSession } from "../session/context.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/fields.tsx";
import { parsed } from "../ui/format.ts";
import type { Question } from "./history.ts";
import { useScene } from "./run-context.ts";

/** What it waits for, and a form to send it. */
export function SignalForm({ question, may }: { question: Question; may: boolean }) {
  const topic = "topic" in question.requirement ? (question.requirement.topic ?? "") : "";
  const [isOpen, setOpen] = useState(false);
  const isOutcome = "source" in question.requirement && question.requirement.source === "interaction";
  if (isOutcome) return <p className="hint">It goes on with the outcome of the interaction that is asked for it.</p>;
  return (
    <div className="stack">
      <p className="hint">Nobody decides this. It goes on when somebody, or something, sends that signal.</p>
      {may && !isOpen && (
        <div className="actions">
          <Button tone="quiet" small onPress={() => setOpen(true)}>
            Send it by hand…
          </Button>
        </div>
      )}
      {may && isOpen && <ByHand topic={topic} onClose={() => setOpen(false)} />}
    </div>
  );
}

function ByHand({ topic, onClose }: { topic: string; onClose: () => void }) {
  const { client } = useSession();
  const { view } = useScene();
  const [text, setText] = useState("");
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const send = async (payload: JsonValue) => {
    setBusy(true);
    try {
      await client?.signal(view.runId, topic, payload);
    } catch (error) {
      setFault(error instanceof InterlockError ? error.message : String(error));
    }
    setBusy(false);
  };
  const submit = () => {
    const given = text.trim() === "" ? { value: null } : parsed(text);
    if ("fault" in given) setFault(given.fault);
    else void send(given.value);
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
        label="What comes with it, as JSON (optional)"
        rows={3}
        value={text}
        onChange={setText}
        error={fault}
        autoFocus
      />
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy}>
          Send the signal
        </Button>
        <Button tone="quiet" onPress={onClose} isDisabled={isBusy}>
          Don’t
        </Button>
      </div>
    </form>
  );
}
