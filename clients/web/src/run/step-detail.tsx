/** What one step did: its text or output, its attempts, its tools, and what it told. */

import type { ReactNode } from "react";
import { X } from "lucide-react";
import { textOf, type StepView } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { Folded } from "../ui/folded.tsx";
import { lineOf, textOfValue } from "../ui/format.ts";
import { Prose } from "../ui/prose.tsx";
import { State } from "../ui/status.tsx";
import { Time, Took } from "../ui/time.tsx";
import { Value } from "../ui/value.tsx";

const MOST = 50;

/** One step. */
export function StepDetail({ step, onClose }: { step: StepView; onClose: () => void }) {
  const text = textOf(step);
  return (
    <section className="detail" aria-label={`Step ${step.name}`}>
      <header className="page-head">
        <h2>{step.name}</h2>
        <State state={step.state} />
        <span className="spacer" />
        <Button tone="quiet" small onPress={onClose} aria-label="Close the step">
          <X size={16} aria-hidden />
        </Button>
      </header>
      {text === "" ? <p className="hint">It has written nothing.</p> : <StepOutput step={step} text={text} />}
      {step.error && (
        <div className="failure">
          <strong>{step.error.type}</strong>
          <Folded text={step.error.message} what="error" />
        </div>
      )}
      <Attempts step={step} />
      <Part title="Tool calls" count={step.toolCalls.length}>
        {step.toolCalls.slice(-MOST).map((call, place) => (
          <Disclosed key={call.id ?? place} title={`${call.name} · ${call.state}`}>
            <Folded text={textOfValue(call.tool as never)} what="call" code />
          </Disclosed>
        ))}
      </Part>
      <Part title="Told by the step" count={step.custom.length}>
        {step.custom.slice(-MOST).map((event) => (
          <p key={event.event_index} className="line">
            <code>{event.name}</code> {lineOf(event.data)}
          </p>
        ))}
      </Part>
    </section>
  );
}

function StepOutput({ step, text }: { step: StepView; text: string }) {
  const isText = step.content === undefined || typeof step.content === "string";
  if (isText) return <Prose text={text} live={step.state === "running"} what="output" />;
  return <Value value={step.content ?? null} />;
}

function Part({ title, count, children }: { title: string; count: number; children: ReactNode }) {
  if (count === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      {count > MOST && (
        <p className="hint">
          The last {MOST} of {count}.
        </p>
      )}
      {children}
    </>
  );
}

function Attempts({ step }: { step: StepView }) {
  if (step.attempts.length < 2) return null;
  return (
    <>
      <h3>Attempts</h3>
      <ol className="attempts">
        {step.attempts.slice(-MOST).map((attempt) => (
          <li key={`${attempt.number} ${attempt.startedAt}`} value={attempt.number}>
            <Time at={attempt.startedAt} /> · <Took from={attempt.startedAt} to={attempt.endedAt} />
            {attempt.error && (
              <span className="fault">
                {" "}
                {attempt.error.type}: {lineOf(attempt.error.message)}
              </span>
            )}
          </li>
        ))}
      </ol>
    </>
  );
}
