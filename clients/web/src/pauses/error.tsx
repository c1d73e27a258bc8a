/** What becomes of a step that failed. */

import type { ErrorRequirement } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Folded } from "../ui/folded.tsx";
import { counted } from "../ui/format.ts";
import type { Question } from "./history.ts";
import { useDecide } from "./use-decide.ts";

/** A question about a step that failed. */
export type ErrorQuestion = Extract<Question, { kind: "error_decision" }>;

/** What went wrong, and the ways to go on. */
export function ErrorForm({ question, isBusy }: { question: ErrorQuestion; isBusy: boolean }) {
  const { send, faultOf } = useDecide(question.id);
  const fault = faultOf("decision");
  return (
    <div className="stack">
      <Failed {...question.requirement} />
      {fault && <p className="fault">{fault}</p>}
      <div className="actions">
        <Button tone="primary" isPending={isBusy} onPress={() => send({ decision: "retry" })}>
          Try again
        </Button>
        <Button isDisabled={isBusy} onPress={() => send({ decision: "skip" })}>
          Skip the step
        </Button>
        <Button tone="danger" isDisabled={isBusy} onPress={() => send({ decision: "cancel" })}>
          Cancel the run
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
