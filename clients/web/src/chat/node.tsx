/**
 * A step in a conversation, with all that is in it.
 *
 * Laws:
 * - A step that didn't change isn't drawn again.
 * - Of very many steps in one, the latest are shown, and the others when they are asked for.
 */

import { memo, useMemo, useState, type ReactNode } from "react";
import { textOf, type JsonValue, type StepView, type ToolCall } from "@interlock/client";
import { PauseCard } from "../pauses/card.tsx";
import type { Question } from "../pauses/history.ts";
import { useScene } from "../pauses/run-context.ts";
import { kindOf } from "../run/rows.ts";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { Folded } from "../ui/folded.tsx";
import { count, textOfValue } from "../ui/format.ts";
import { Prose } from "../ui/prose.tsx";
import { State } from "../ui/status.tsx";
import { Took } from "../ui/time.tsx";
import { isForPeople, Value } from "../ui/value.tsx";
import { CustomEvents } from "./custom.tsx";
import { inOrder, inText, type Part } from "./order.ts";

const MOST = 60;
const NONE: readonly Question[] = [];

/** The steps directly in `parent`, or at the top, with the cards between them. */
export function Nodes({ parent }: { parent: StepView | null }) {
  const { view, past } = useScene();
  const [all, setAll] = useState(false);
  const children = view.steps.childrenOf(parent);
  const questions = parent === null ? NONE : (past.byStep.get(parent.key) ?? NONE);
  const parts = inOrder(questions, children, past.first);
  const hidden = all ? 0 : Math.max(0, parts.length - MOST);
  return (
    <>
      {hidden > 0 && (
        <Button tone="quiet" small onPress={() => setAll(true)}>
          Show {count(hidden)} earlier steps
        </Button>
      )}
      <Parts parts={parts.slice(hidden)} />
    </>
  );
}

function Parts({ parts, live = false }: { parts: readonly Part[]; live?: boolean }) {
  return parts.map((part): ReactNode => {
    switch (part.is) {
      case "card":
        return <PauseCard key={part.key} question={part.question} />;
      case "step":
        return <Node key={part.key} step={part.step} />;
      case "text":
        return <Prose key={part.key} text={part.text} live={live && part.isLast} />;
    }
  });
}

function Node({ step }: { step: StepView }) {
  const { past } = useScene();
  const questions = past.byStep.get(step.key) ?? NONE;
  const isLeaf = step.children.length === 0;
  return (
    <section className="node" aria-label={`Step ${step.name}`}>
      <NodeHead step={step} />
      <CustomEvents step={step} />
      {isLeaf ? (
        <Leaf step={step} questions={questions} />
      ) : (
        <div className="inner">
          <Nodes parent={step} />
        </div>
      )}
      <NodeEnd step={step} />
    </section>
  );
}

function NodeHead({ step }: { step: StepView }) {
  return (
    <header className="node-head">
      <h3>{step.name}</h3>
      <State state={step.state} />
      <span className="hint">{kindOf(step)}</span>
      <span className="hint">
        {step.state !== "paused" && <Took from={step.startedAt} to={step.endedAt} ms={step.durationMs} />}
      </span>
    </header>
  );
}

const Leaf = memo(function Leaf({ step, questions }: { step: StepView; questions: readonly Question[] }) {
  // While an output is under review, the card shows it.
  const isReviewed =
    questions.some((each) => each.kind === "output_review") && step.content === undefined && step.pieces.length === 0;
  const text = isReviewed ? "" : textOf(step);
  const parts = useMemo(() => inText(step, text, questions), [step, text, questions]);
  const isData = step.content !== undefined && step.content !== null && typeof step.content !== "string";
  return (
    <>
      <Tools step={step} />
      {isData ? (
        <DataParts parts={parts} value={step.content} />
      ) : (
        <Parts parts={parts} live={step.state === "running" && step.pieces.length > 0} />
      )}
    </>
  );
});

/** An output that is neither a table nor a chart is folded away: it is for the steps that follow. */
function DataParts({ parts, value }: { parts: readonly Part[]; value: JsonValue }) {
  return parts.map((part) =>
    part.is === "text" ? (
      isForPeople(value) ? (
        <Value key={part.key} value={value} />
      ) : (
        <Disclosed key={part.key} title="Output">
          <Value value={value} />
        </Disclosed>
      )
    ) : (
      <Parts key={part.key} parts={[part]} />
    ),
  );
}

function Tools({ step }: { step: StepView }) {
  if (step.toolCalls.length === 0) return null;
  return (
    <ul className="calls" aria-label="Tool calls">
      {step.toolCalls.slice(-MOST).map((call, place) => (
        <li key={call.id ?? place}>
          <Disclosed title={`${call.name} · ${CALLS[call.state]}`}>
            <Folded
              text={textOfValue({ arguments: call.tool.tool_args ?? {}, result: call.tool.result ?? null })}
              what="call"
              code
            />
          </Disclosed>
        </li>
      ))}
    </ul>
  );
}

const CALLS: Record<ToolCall["state"], string> = { running: "running", completed: "completed", failed: "failed" };

function NodeEnd({ step }: { step: StepView }) {
  if (step.skipReason !== null) return <p className="hint">Skipped: {SKIPS[step.skipReason] ?? step.skipReason}.</p>;
  if (step.error === null) return null;
  return (
    <div className="failure">
      <p>
        <strong>{step.error.type}</strong>
        {step.state === "waiting" && <span className="hint"> · it is tried again</span>}
      </p>
      <Folded text={step.error.message} what="error" />
    </div>
  );
}

const SKIPS: Readonly<Record<string, string>> = {
  rejected: "it was rejected",
  timeout: "nobody decided in time",
  error: "it failed",
  condition: "its condition isn’t met",
  unreachable: "no link leads here any more",
};
