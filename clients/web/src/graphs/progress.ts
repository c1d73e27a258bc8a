/** How far a session of a graph has come: where each task and each link stands. Pure. */

import type { EventLog, RunView, StepState, StepView } from "@interlock/client";
import { conditionOf, type Graph, type Link } from "./model.ts";

/** Where a task stands in a session. */
export interface TaskProgress {
  readonly state: StepState;
  /** Its step, once it was heard of. */
  readonly step: StepView | null;
  /** The way that it decided for, where it did. */
  readonly port: string | null;
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

/** Reads from the log of one session which ways its tasks decided for. */
export class PortReader {
  #place = 0;
  #ports: ReadonlyMap<string, string> = new Map();

  /** By the name of the task. */
  read(log: EventLog): ReadonlyMap<string, string> {
    if (log.end < this.#place) [this.#place, this.#ports] = [0, new Map()];
    for (let place = Math.max(this.#place, log.start); place < log.end; place++) {
      const event = log.at(place);
      if (event?.event !== "StepCompleted" || !("port" in event) || !("step_name" in event)) continue;
      const { step_name: name, port } = event;
      if (typeof name === "string" && typeof port === "string") this.#ports = new Map([...this.#ports, [name, port]]);
    }
    this.#place = log.end;
    return this.#ports;
  }
}

/** Where each task stands. */
export function progressOf(
  view: RunView,
  graph: Graph,
  ports: ReadonlyMap<string, string>,
): ReadonlyMap<string, TaskProgress> {
  return new Map(
    graph.tasks.map(({ id }) => {
      const step = stepOf(view, id);
      return [id, { state: step?.state ?? "waiting", step, port: ports.get(id) ?? null }];
    }),
  );
}

/** Whether a link led on. */
export function isTaken(link: Link, progress: ReadonlyMap<string, TaskProgress>): boolean {
  const [from, to] = [progress.get(link.from), progress.get(link.to)];
  if (!from || !to || to.state === "waiting" || to.state === "skipped") return false;
  const condition = conditionOf(link);
  if (condition === "always") return ENDED.has(from.state);
  if (condition.startsWith("port:")) return from.port === condition.slice("port:".length);
  return condition === "failed" ? from.state === "failed" : from.state === "completed";
}

const ENDED: ReadonlySet<StepState> = new Set(["completed", "failed", "skipped"]);
