/**
 * A review of an output, or of an iteration of a loop: as it is, changed, or sent back.
 *
 * Laws:
 * - What is changed is shown as a difference before it is sent.
 * - An output that isn't text is edited as JSON, and is sent only where it is JSON.
 * - What the server wouldn't take back isn't offered to be edited.
 */

import { useMemo } from "react";
import type { JsonValue, Verdict } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { useDraft } from "../ui/draft.ts";
import { TextField } from "../ui/fields.tsx";
import { parsed, textOfValue } from "../ui/format.ts";
import { Value } from "../ui/value.tsx";
import { Changes } from "./changes.tsx";
import type { StepQuestion } from "./confirmation.tsx";
import { outputOf } from "./history.ts";
import { RejectForm } from "./reject.tsx";
import { useScene } from "./run-context.ts";
import { useDecide } from "./use-decide.ts";

/** The server takes no edited output of more than 256 KiB. */
const MOST_EDITED = 256 * 1024;

/** The form of a review. */
export function ReviewForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const [mode, setMode] = useDraft<"look" | "edit" | "reject" | "back">(`${question.id}/mode`, "look");
  const { send, faultOf } = useDecide(question.id);
  const { step_output: output = null } = question.requirement;
  const text = useMemo(() => textOfValue(output), [output]);
  const isEditable = text.length <= MOST_EDITED;
  const back = () => setMode("back");
  if (mode === "edit") {
    const fault = faultOf("edited_output");
    const draft = `${question.id}/edited`;
    return <Editor draft={draft} output={output} isBusy={isBusy} fault={fault} onApprove={send} onBack={back} />;
  }
  return (
    <div className="stack">
      <Retries question={question} />
      <Failure question={question} />
      <Value value={output} />
      {!isEditable && <p className="hint">It is too long to be changed here.</p>}
      <Before question={question} />
      {mode === "reject" ? (
        <RejectForm
          question={question}
          isBusy={isBusy}
          fault={faultOf("rejection_feedback") ?? faultOf("on_reject")}
          onReject={send}
          onBack={back}
        />
      ) : (
        <div className="actions">
          <Button data-act="approve" tone="primary" isPending={isBusy} onPress={() => send({ confirmed: true })}>
            Approve
          </Button>
          {isEditable && (
            <Button isDisabled={isBusy} onPress={() => setMode("edit")}>
              Edit…
            </Button>
          )}
          <Button data-act="reject" isDisabled={isBusy} autoFocus={mode === "back"} onPress={() => setMode("reject")}>
            Reject…
          </Button>
        </div>
      )}
    </div>
  );
}

function Retries({ question }: { question: StepQuestion }) {
  const { retry_count: count, max_retries: most } = question.requirement;
  if (!count) return null;
  return (
    <p className="hint">
      Sent back {count === 1 ? "once" : `${count} times`}
      {most !== undefined && ` of ${most}`}.
    </p>
  );
}

/** What the step says of an output that it calls a failure itself. */
function Failure({ question }: { question: StepQuestion }) {
  const { success, error } = question.requirement;
  if (success !== false) return null;
  return <p className="fault">The step calls this a failure{error ? `: ${error}` : "."}</p>;
}

/** What changed since the output was sent back. */
function Before({ question }: { question: StepQuestion }) {
  const { past } = useScene();
  const last = past.byStep
    .get(question.stepKey)
    ?.findLast((each) => each.kind === question.kind && each.index < question.index);
  if (last === undefined) return null;
  return (
    <Disclosed title="What changed since it was sent back">
      <Changes before={outputOf(last)} after={outputOf(question)} />
    </Disclosed>
  );
}

interface EditorProps {
  /** Where what is written is kept. */
  draft: string;
  output: JsonValue;
  isBusy: boolean;
  fault: string | undefined;
  onApprove: (decision: Verdict) => void;
  onBack: () => void;
}

function Editor({ draft, output, isBusy, fault, onApprove, onBack }: EditorProps) {
  const original = textOfValue(output);
  const [text, setText] = useDraft(draft, original);
  const isText = typeof output === "string" || output === null;
  const edited = isText ? { value: text } : parsed(text);
  const wrong = "fault" in edited ? edited.fault : undefined;
  return (
    <form
      className="stack"
      aria-label="Edit the output"
      onSubmit={(event) => {
        event.preventDefault();
        if ("value" in edited) onApprove({ confirmed: true, edited_output: edited.value });
      }}
    >
      <TextField
        label={isText ? "Output" : "Output, as JSON"}
        rows={Math.min(20, Math.max(4, original.split("\n").length + 1))}
        code={!isText}
        value={text}
        onChange={setText}
        error={wrong ?? fault}
        autoFocus
      />
      {text !== original && <Changes before={original} after={text} />}
      <div className="actions">
        <Button type="submit" tone="primary" isPending={isBusy} isDisabled={wrong !== undefined || text === original}>
          Approve with these changes
        </Button>
        <Button tone="quiet" onPress={onBack} isDisabled={isBusy}>
          Back
        </Button>
      </div>
    </form>
  );
}
