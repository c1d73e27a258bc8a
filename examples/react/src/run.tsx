/** One run: its steps as they write, and what it asks. */

import { presentationOf, textOf, type Decision, type Pending, type StepView } from "@interlock/client";
import { useRun, WorkflowForm } from "@interlock/client/react";
import { memo, useState } from "react";

export function RunPage({ runId }: { runId: string }) {
  const { view, error, behind, decide } = useRun(runId);
  const [refusal, setRefusal] = useState("");
  const answer = (pending: Pending, decision: Decision) => {
    setRefusal("");
    // When it is refused, because somebody else was faster say, the view has what the run waits for now.
    decide(pending, decision).catch((refused: Error) => setRefusal(refused.message));
  };
  if (error) return <p role="alert">{error.message}</p>;
  return (
    <main>
      <h2>
        {view.workflowName} {view.status}
      </h2>
      {refusal && <p role="alert">{refusal}</p>}
      {[...view.steps].map((step) => (
        <Step key={step.key} step={step} />
      ))}
      {/* While the past is still coming, what waits may have been answered long ago. */}
      {behind === 0 &&
        view.pending.map((pending) => (
          <PauseCard key={pending.id} pending={pending} onAnswer={(decision) => answer(pending, decision)} />
        ))}
      {view.decisions.slice().map((each) => (
        <p key={each.index}>
          {each.stepName}: decided by {each.resolvedBy}
        </p>
      ))}
      {view.error && <p role="alert">{view.error.message}</p>}
      {typeof view.output === "string" && <pre>{view.output}</pre>}
    </main>
  );
}

/** A step that didn't change is the same object, and isn't drawn again. */
const Step = memo(function Step({ step }: { step: StepView }) {
  return (
    <section>
      <h3>
        {step.name}: {step.state}
      </h3>
      <pre>{textOf(step)}</pre>
    </section>
  );
});

interface CardProps {
  pending: Pending;
  onAnswer: (decision: Decision) => void;
}

/** The question, and what answers it. Forms of steps, routes and tools are left to the server's own app here. */
function PauseCard({ pending, onAnswer }: CardProps) {
  switch (pending.kind) {
    case "confirmation":
      return <YesOrNo question={pending.requirement.confirmation_message} onAnswer={onAnswer} />;
    case "output_review":
    case "iteration_review":
      return <YesOrNo question={pending.requirement.output_review_message} onAnswer={onAnswer} />;
    case "error_decision":
      return (
        <article>
          <h3>{pending.requirement.error_message}</h3>
          {(["retry", "skip", "cancel"] as const).map((decision) => (
            <button key={decision} onClick={() => onAnswer({ decision })}>
              {decision}
            </button>
          ))}
        </article>
      );
    case "user_input": {
      const presentation = presentationOf(pending.requirement); // of a state machine, where it halts
      if (presentation === null) return <Elsewhere name={pending.requirement.step_name} />;
      return <WorkflowForm presentation={presentation} onSubmit={(input) => onAnswer({ user_input: input })} />;
    }
    default:
      return <Elsewhere name={pending.requirement.step_name} />;
  }
}

function Elsewhere({ name }: { name: string }) {
  return <article>{name}: answer it in the server’s own app</article>;
}

function YesOrNo({ question, onAnswer }: { question: string | undefined; onAnswer: CardProps["onAnswer"] }) {
  const [feedback, setFeedback] = useState("");
  return (
    <article>
      <h3>{question}</h3>
      <input
        value={feedback}
        onChange={(event) => setFeedback(event.target.value)}
        placeholder="What is wrong with it? (for a rejection)"
      />
      <button onClick={() => onAnswer({ confirmed: true })}>Confirm</button>
      <button onClick={() => onAnswer({ confirmed: false, rejection_feedback: feedback })}>Reject</button>
    </article>
  );
}
