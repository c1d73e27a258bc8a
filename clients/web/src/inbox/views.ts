/**
 * Views of the inbox that somebody has given a name: on this device, each person's own.
 *
 * Laws:
 * - A view is the search part of an address. What it is called is unique; saved again, it takes the place of the old one.
 */

import { useSyncExternalStore } from "react";

/** A named view. */
export interface View {
  readonly name: string;
  /** As in the address, behind the `?`. */
  readonly search: string;
}

const IN_STORAGE = "interlock.views/";
const NONE: readonly View[] = [];
const known = new Map<string, readonly View[]>();
const listeners = new Set<() => void>();

/** The views of a person, and what changes them. */
export function useViews(userId: string | null) {
  const views = useSyncExternalStore(subscribe, () => viewsOf(userId));
  const write = (next: readonly View[]) => {
    if (userId === null) return;
    known.set(userId, next);
    localStorage.setItem(IN_STORAGE + userId, JSON.stringify(next));
    for (const listener of listeners) listener();
  };
  return {
    views,
    save: (view: View) => write([...views.filter(({ name }) => name !== view.name), view]),
    forget: (name: string) => write(views.filter((each) => each.name !== name)),
  };
}

function viewsOf(userId: string | null): readonly View[] {
  if (userId === null) return NONE;
  const found = known.get(userId) ?? kept(userId);
  known.set(userId, found);
  return found;
}

function kept(userId: string): readonly View[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(IN_STORAGE + userId) ?? "[]");
    return Array.isArray(found) ? found.filter(isView) : NONE;
  } catch {
    return NONE;
  }
}

function isView(value: unknown): value is View {
  if (typeof value !== "object" || value === null || !("name" in value) || !("search" in value)) return false;
  return typeof value.name === "string" && typeof value.search === "string";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
