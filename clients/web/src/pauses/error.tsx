/** What becomes of a step that failed. */

import { useMemo, useState } from "react";
import type { ErrorRequirement, UserInputField } from "@interlock/client";
import { asGiven, schemaOf } from "../forms/fields.ts";
import { JsonForm } from "../forms/lazy.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useDraft } from "../ui/draft.ts";
import { Folded } from "../ui/folded.tsx";
import { counted } from "../ui/format.ts";
import type { Question } from "./history.ts";
import { useDecide } from "./use-decide.ts";

/** A question about a step that failed. */
export type ErrorQuestion = Extract<Question, { kind: "error_decision" }>;

/** What went wrong, and the ways to go on. */
export function ErrorForm({ question, isBusy }: { question: ErrorQuestion; isBusy: boolean }) {
  const { send, faultOf } = useDecide(question.id);
  const [isAnew, setAnew] = useDraft(`${question.id}/anew`, false);
  const fields = question.requirement.user_input_schema;
  const fault = faultOf("decision");
  if (isAnew && fields)
    return <OtherInput question={question} fields={fields} onBack={() => setAnew(false)} isBusy={isBusy} />;
  return (
    <div className="stack">
      <Failed {...question.requirement} />
      {fault && <p className="fault">{fault}</p>}
      <div className="actions">
        <Button tone="primary" isPending={isBusy} onPress={() => send({ decision: "retry" })}>
          Try again
        </Button>
        {fields && (
          <Button isDisabled={isBusy} onPress={() => setAnew(true)}>
            Try again with other input…
          </Button>
        )}
        <Button isDisabled={isBusy} onPress={() => send({ decision: "skip" })}>
          Skip the step
        </Button>
        <CancelInstead isBusy={isBusy} onCancel={() => send({ decision: "cancel" })} />
      </div>
    </div>
  );
}

/** Cancels the run, after the same question as everywhere. */
function CancelInstead({ isBusy, onCancel }: { isBusy: boolean; onCancel: () => void }) {
  const [isAsked, setAsked] = useState(false);
  const close = () => setAsked(false);
  const go = () => {
    close();
    onCancel();
  };
  return (
    <>
      <Button tone="danger" isDisabled={isBusy} onPress={() => setAsked(true)}>
        Cancel the run…
      </Button>
      <Dialog title="Cancel this run?" isOpen={isAsked} onClose={close}>
        <p>What it is doing is broken off, and nothing more is done. This can’t be undone.</p>
        <div className="actions">
          <Button tone="danger" onPress={go}>
            Cancel the run
          </Button>
          <Button tone="quiet" onPress={close}>
            Let it go on
          </Button>
        </div>
      </Dialog>
    </>
  );
}

interface OtherInputProps {
  question: ErrorQuestion;
  fields: readonly UserInputField[];
  isBusy: boolean;
  onBack: () => void;
}

/** The form of the step, to be filled in anew. */
function OtherInput({ question, fields, isBusy, onBack }: OtherInputProps) {
  const { send, faults } = useDecide(question.id);
  const schema = useMemo(() => schemaOf(asGiven(fields)), [fields]);
  return (
    <div className="stack">
      <Failed {...question.requirement} />
      <JsonForm
        draft={`${question.id}/form`}
        schema={schema}
        label="Other input"
        submit="Try again"
        isBusy={isBusy}
        faults={faults}
        onSubmit={(values) => send({ decision: "retry", user_input: values })}
      />
      <div className="actions">
        <Button tone="quiet" onPress={onBack} isDisabled={isBusy}>
          Back
        </Button>
      </div>
    </div>
  );
}

/** What went wrong. */
export function Failed({ error_message: message, error_type: type, retry_count: tries }: ErrorRequirement) {
  return (
    <div className="failure">
      <p>
        <strong>{type}</strong>
        {tries > 0 && <span className="hint"> after {counted(tries + 1, "attempt")}</span>}
      </p>
      <Folded text={message} what="error" />
    </div>
  );
}
