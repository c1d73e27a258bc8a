/**
 * The steps of a run as rows: each below the one that it is in, unless that is closed. Pure.
 *
 * Laws:
 * - Rows that aren't shown cost nothing: what is closed isn't looked into.
 */

import type { RunView, StepView } from "@interlock/client";

/** A row of the tree. */
export interface Row {
  readonly step: StepView;
  /** From 1. */
  readonly level: number;
  /** Its place among its siblings, from 1, and how many they are. */
  readonly place: number;
  readonly siblings: number;
  /** Undefined where there is nothing to open. */
  readonly isOpen: boolean | undefined;
}

/** The rows that are to be seen. */
export function rowsOf(steps: RunView["steps"], closed: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  const add = (parent: StepView | null, level: number) => {
    const children = steps.childrenOf(parent);
    children.forEach((step, at) => {
      const isOpen = step.children.length === 0 ? undefined : !closed.has(step.key);
      rows.push({ step, level, place: at + 1, siblings: children.length, isOpen });
      if (isOpen) add(step, level + 1);
    });
  };
  add(null, 1);
  return rows;
}

/** What a key does in a tree, in the terms of the treegrid pattern of ARIA. */
export type Move = { readonly to: number } | { readonly toggle: string } | null;

/** Where a key leads from the row at `at`. */
export function moved(rows: readonly Row[], at: number, key: string): Move {
  const row = rows[at];
  if (row === undefined) return null;
  switch (key) {
    case "ArrowDown":
      return { to: Math.min(rows.length - 1, at + 1) };
    case "ArrowUp":
      return { to: Math.max(0, at - 1) };
    case "Home":
      return { to: 0 };
    case "End":
      return { to: rows.length - 1 };
    case "ArrowRight":
      if (row.isOpen === false) return { toggle: row.step.key };
      return row.isOpen ? { to: at + 1 } : null;
    case "ArrowLeft":
      if (row.isOpen) return { toggle: row.step.key };
      return row.level > 1 ? { to: parentOf(rows, at) } : null;
    default:
      return null;
  }
}

function parentOf(rows: readonly Row[], at: number): number {
  const level = rows[at]?.level ?? 1;
  for (let place = at - 1; place >= 0; place--) if ((rows[place]?.level ?? 0) < level) return place;
  return at;
}

/** What a step is, beside its name: its kind, which of several, what was selected. */
export function kindOf(step: StepView): string {
  const parts = [
    step.type !== null && step.type !== "Step" ? step.type : "",
    step.iteration === null ? "" : `iteration ${step.iteration}`,
    step.loop && step.loop.iteration > 0 ? `iteration ${step.loop.iteration} of ${step.loop.max}` : "",
    step.visit > 1 && step.iteration === null ? `visit ${step.visit}` : "",
    step.attempts.length > 1 ? `attempt ${step.attempts.length}` : "",
    step.selected.join(", "),
  ];
  return parts.filter(Boolean).join(" · ");
}
