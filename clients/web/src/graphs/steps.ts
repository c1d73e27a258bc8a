/**
 * What was done to a graph, to be undone and done again. Pure.
 *
 * Laws:
 * - Undoing all gives the graph that it began with; doing all again gives the last one.
 * - Changes of the same thing, one right after the other, such as letters of a word, are one step.
 */

import { applied, type Change, type Graph } from "./model.ts";

/** A graph, and how it came to be. */
export interface Work {
  readonly graph: Graph;
  /** What undoes the last steps, the latest last. */
  readonly undos: readonly Change[];
  /** What does again what was undone, the next one last. */
  readonly redos: readonly Change[];
}

/** How many steps can be undone. */
const MOST = 200;

/** Work that begins with a graph. */
export function begun(graph: Graph): Work {
  return { graph, undos: [], redos: [] };
}

/** After a change. */
export function done(work: Work, change: Change): Work {
  const { graph, inverse } = applied(work.graph, change);
  const last = work.undos.at(-1);
  if (last?.about !== undefined && last.about === change.about && work.redos.length === 0) {
    const both = { ...last, parts: { ...inverse.parts, ...last.parts } };
    return { graph, undos: [...work.undos.slice(0, -1), both], redos: [] };
  }
  return { graph, undos: [...work.undos, inverse].slice(-MOST), redos: [] };
}

/** One step back; the same where there is none. */
export function undone(work: Work): Work {
  const step = work.undos.at(-1);
  if (step === undefined) return work;
  const { graph, inverse } = applied(work.graph, step);
  return { graph, undos: work.undos.slice(0, -1), redos: [...work.redos, inverse] };
}

/** The step that was undone last, again; the same where there is none. */
export function redone(work: Work): Work {
  const step = work.redos.at(-1);
  if (step === undefined) return work;
  const { graph, inverse } = applied(work.graph, step);
  return { graph, undos: [...work.undos, inverse], redos: work.redos.slice(0, -1) };
}
