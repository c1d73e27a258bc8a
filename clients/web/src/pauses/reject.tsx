/**
 * Saying no: what that does, and why.
 *
 * Laws:
 * - What a rejection does is said before it is made, and chosen where there is a choice.
 */

import type { OnReject, Verdict } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import { Choice, TextField } from "../ui/fields.tsx";
import type { Question } from "./history.ts";
import { rejectionOf } from "./words.ts";

/** What a `RejectForm` takes. */
export interface RejectFormProps {
  question: Exclude<Question, { kind: "error_decision" }>;
  isBusy: boolean;
  /** What the server says is wrong with the feedback. */
  fault: string | undefined;
  onReject: (decision: Verdict) => void;
  onBack: () => void;
}

/** The fields of a rejection. */
export function RejectForm({ question, isBusy, fault, onReject, onBack }: RejectFormProps) {
  const { on_reject: preset, allowed_on_reject: allowed = [] } = question.requirement;
  const ways = allowed.length > 0 ? allowed : preset ? [preset] : [];
  const [way, setWay] = useDraft<OnReject | null>(`${question.id}/way`, preset ?? ways[0] ?? null);
  const [feedback, setFeedback] = useDraft(`${question.id}/feedback`, "");
  const [only] = ways;
  const decision = {
    confirmed: false,
    ...(way ? { on_reject: way } : {}),
    ...(feedback ? { rejection_feedback: feedback } : {}),
  };
  return (
    <form
      className="stack"
      aria-label="Reject"
      onSubmit={(event) => {
        event.preventDefault();
        onReject(decision);
      }}
    >
      {ways.length > 1 && (
        <Choice
          label="What then?"
          value={way}
          onChange={(key) => setWay(key as OnReject)}
          options={ways.map((each) => ({ key: each, ...rejectionOf(each, question.kind) }))}
        />
      )}
      {ways.length === 1 && only && <p className="hint">{rejectionOf(only, question.kind).description}</p>}
      <TextField label="Feedback (optional)" rows={2} value={feedback} onChange={setFeedback} error={fault} autoFocus />
      <div className="actions">
        <Button type="submit" tone="danger" isPending={isBusy}>
          Reject
        </Button>
        <Button tone="quiet" onPress={onBack} isDisabled={isBusy}>
          Back
        </Button>
      </div>
    </form>
  );
}
