/** A yes or no before a step, a branch or a route. */

import type { Verdict } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import type { Question } from "./history.ts";
import { RejectForm } from "./reject.tsx";
import { useDecide } from "./use-decide.ts";

/** A question without an error decision. */
export type StepQuestion = Exclude<Question, { kind: "error_decision" }>;

/** The form of a confirmation. */
export function ConfirmationForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const [mode, setMode] = useDraft<"ask" | "reject" | "back">(`${question.id}/mode`, "ask");
  const { send, faultOf } = useDecide(question.id);
  const decide = (decision: Verdict) => send(decision);
  return (
    <div className="stack">
      {mode === "reject" ? (
        <RejectForm
          question={question}
          isBusy={isBusy}
          fault={faultOf("rejection_feedback") ?? faultOf("on_reject")}
          onReject={decide}
          onBack={() => setMode("back")}
        />
      ) : (
        <div className="actions">
          <Button data-act="approve" tone="primary" isPending={isBusy} onPress={() => decide({ confirmed: true })}>
            Confirm
          </Button>
          <Button data-act="reject" isDisabled={isBusy} autoFocus={mode === "back"} onPress={() => setMode("reject")}>
            Reject…
          </Button>
        </div>
      )}
    </div>
  );
}
