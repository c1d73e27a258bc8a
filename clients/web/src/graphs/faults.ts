/** What the server says is wrong with a graph, by the task and the input that it is about. Pure. */

import type { GraphFault } from "@interlock/client";
import type { Graph } from "./model.ts";

/** A fault, and what it is about. */
export interface PlacedFault {
  readonly message: string;
  readonly task: string | null;
  readonly field: string | null;
  readonly isWarning: boolean;
}

/** The faults of a graph. */
export class Faults {
  static readonly none = new Faults([]);

  readonly all: readonly PlacedFault[];

  constructor(all: readonly PlacedFault[]) {
    this.all = all;
  }

  /** What is wrong: what may be a mistake isn't in it. */
  get errors(): readonly PlacedFault[] {
    return this.all.filter(({ isWarning }) => !isWarning);
  }

  /** What is said of a task itself. */
  ofTask(id: string): string[] {
    return this.#saying(({ task, field }) => task === id && field === null);
  }

  /** What is said of an input of a task. */
  ofInput(id: string, name: string): string[] {
    return this.#saying(({ task, field }) => task === id && field === name);
  }

  /** What is said of each task, its inputs included. */
  byTask(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    for (const { task, message } of this.all) {
      if (task !== null) found.set(task, [...(found.get(task) ?? []), message]);
    }
    return found;
  }

  #saying(isMeant: (fault: PlacedFault) => boolean): string[] {
    return [...new Set(this.all.filter(isMeant).map(({ message }) => message))];
  }
}

/** The faults, where they belong; `graph` is the one that was checked. */
export function placedIn(graph: Graph, errors: readonly GraphFault[], warnings: readonly GraphFault[] = []): Faults {
  return new Faults([
    ...errors.map((each) => placed(graph, each, false)),
    ...warnings.map((each) => placed(graph, each, true)),
  ]);
}

function placed(graph: Graph, { path, message }: GraphFault, isWarning: boolean): PlacedFault {
  const at = /^tasks\[(\d+)\](?:\.inputs\.([^.[]+))?/.exec(path);
  if (at) return { message, task: graph.tasks[Number(at[1])]?.id ?? null, field: at[2] ?? null, isWarning };
  const link = graph.links[Number(/^links\[(\d+)\]/.exec(path)?.[1] ?? NaN)];
  return { message, task: link?.to ?? null, field: null, isWarning };
}
