/** What a step tells by events of its own: the latest few, by their names. */

import { Radio } from "lucide-react";
import type { StepView } from "@interlock/client";
import { count, lineOf } from "../ui/format.ts";
import { Time } from "../ui/time.tsx";

const MOST = 20;

/** The custom events of a step. */
export function CustomEvents({ step }: { step: StepView }) {
  const all = step.custom.length;
  if (all === 0) return null;
  return (
    <ul className="custom-events" aria-label="Events of the step">
      {all > MOST && <li className="hint">{count(all - MOST)} earlier ones are among the events of the run.</li>}
      {step.custom.slice(-MOST).map((event) => (
        <li key={event.event_index}>
          <Radio size={14} aria-hidden />
          <span>
            <strong className="name">{event.name}</strong> {lineOf(event.data, 200)}{" "}
            <span className="hint">
              <Time at={event.created_at} />
            </span>
          </span>
        </li>
      ))}
    </ul>
  );
}
