/** Events of a run, for tests: each with its place and its index. */

import { applyEvents, initialView, type RunMessage, type RunView } from "@interlock/client";

/** A run of which these events came. */
export function runOf(...events: Record<string, unknown>[]): RunView {
  return applyEvents(initialView("run-1"), numbered(events));
}

/** The events, with what all have. */
export function numbered(events: Record<string, unknown>[], from = 0): RunMessage[] {
  return events.map((event, at) => {
    const base = { event_index: from + at, epoch: 1, created_at: 1000 + from + at, workflow_id: "w", run_id: "run-1" };
    return { ...base, ...event } as unknown as RunMessage;
  });
}

/** An event of a step at the top. */
export function ofStep(name: string, event: string, more: object = {}): Record<string, unknown> {
  return { event, step_id: `s-${name}`, step_name: name, step_index: 0, step_path: [name], visit: 1, ...more };
}

/** A step that asks to be confirmed. */
export function asks(name: string, id: string, kind = "confirmation", more: object = {}): Record<string, unknown> {
  return ofStep(name, "StepPaused", { requirement_id: id, [`requires_${kind}`]: true, ...more });
}
