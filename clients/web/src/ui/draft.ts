/**
 * What somebody is writing or choosing, kept while it isn't on the page.
 *
 * Laws:
 * - Who goes to another page and comes back finds a half-written form as it was. It is kept in memory, until it was sent
 *   or the person signs out, or another one comes; a reload forgets it.
 * - A key begins with the id of what the draft is about. Ids of questions are never used again.
 */

import { useCallback, useState } from "react";

const drafts = new Map<string, unknown>();

/** As `useState`, but with what was there when the component was on the page before. */
export function useDraft<T>(key: string, initial: T): [T, (next: T) => void] {
  const [value, setValue] = useState(() => draftOf(key, initial));
  const write = useCallback(
    (next: T) => {
      drafts.set(key, next);
      setValue(next);
    },
    [key],
  );
  return [value, write];
}

/** What is kept under a key. */
export function draftOf<T>(key: string, initial: T): T {
  return drafts.has(key) ? (drafts.get(key) as T) : initial;
}

const droppers = new Set<() => void>();

/** Calls this when all drafts are forgotten, for those that are kept elsewhere. */
export function whenDraftsDrop(call: () => void): void {
  droppers.add(call);
}

/** Forgets the drafts about one thing, or all. */
export function dropDrafts(about = ""): void {
  if (about === "") for (const call of droppers) call();
  for (const key of [...drafts.keys()]) if (key.startsWith(about)) drafts.delete(key);
}
