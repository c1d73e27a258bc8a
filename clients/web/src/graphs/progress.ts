/** How far a session of a graph has come: where each task and each link stands. Pure. */

import type { RunView, StepState, StepView } from "@interlock/client";
import { conditionOf, type Graph, type Link } from "./model.ts";

/** Where a task stands in a session. */
export interface TaskProgress {
  readonly state: StepState;
  /** Its step, once it was heard of. */
  readonly step: StepView | null;
}

/** The step of a task: the outermost of its name. */
export function stepOf(view: RunView, id: string): StepView | null {
  let found: StepView | null = null;
  for (const step of view.steps) {
    if (step.name !== id) continue;
    if (found === null || step.path.length <= found.path.length) found = step;
  }
  return found;
}

/** Where each task stands. */
export function progressOf(view: RunView, graph: Graph): ReadonlyMap<string, TaskProgress> {
  return new Map(
    graph.tasks.map(({ id }) => {
      const step = stepOf(view, id);
      return [id, { state: step?.state ?? "waiting", step }];
    }),
  );
}

/** Whether a link led on. */
export function isTaken(link: Link, progress: ReadonlyMap<string, TaskProgress>): boolean {
  const [from, to] = [progress.get(link.from), progress.get(link.to)];
  if (!from || !to || to.state === "waiting" || to.state === "skipped") return false;
  const condition = conditionOf(link);
  if (condition === "always") return ENDED.has(from.state);
  return condition === "failed" ? from.state === "failed" : from.state === "completed";
}

const ENDED: ReadonlySet<StepState> = new Set(["completed", "failed", "skipped"]);
