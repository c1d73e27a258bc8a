/**
 * What somebody is writing or choosing, kept while it isn't on the page.
 *
 * Laws:
 * - Who goes to another page and comes back finds a half-written form as it was, also after a reload of the tab. It is
 *   kept until it was sent or the person signs out, or another one comes.
 * - What isn't plain JSON, such as a file, is kept in memory only: a reload forgets it.
 * - A key begins with the id of what the draft is about. Ids of questions are never used again.
 */

import { useCallback, useState } from "react";

const IN_STORAGE = "interlock.draft/";
const drafts = kept();

/** As `useState`, but with what was there when the component was on the page before. */
export function useDraft<T>(key: string, initial: T): [T, (next: T) => void] {
  const [value, setValue] = useState(() => draftOf(key, initial));
  const write = useCallback(
    (next: T) => {
      drafts.set(key, next);
      keep(key, next);
      setValue(next);
    },
    [key],
  );
  return [value, write];
}

/** Keeps something under a key that no component has at the moment. */
export function writeDraft(key: string, value: unknown): void {
  drafts.set(key, value);
  keep(key, value);
}

/** What is kept under a key. */
export function draftOf<T>(key: string, initial: T): T {
  return drafts.has(key) ? (drafts.get(key) as T) : initial;
}

/** All that is kept about one thing, by what follows its id in the key. */
export function draftsAbout(id: string): ReadonlyMap<string, unknown> {
  const about = `${id}/`;
  return new Map(
    [...drafts].flatMap(([key, value]) => (key.startsWith(about) ? [[key.slice(about.length), value]] : [])),
  );
}

const droppers = new Set<() => void>();

/** Calls this when all drafts are forgotten, for those that are kept elsewhere. */
export function whenDraftsDrop(call: () => void): void {
  droppers.add(call);
}

/** Forgets the drafts about one thing, or all. */
export function dropDrafts(about = ""): void {
  if (about === "") for (const call of droppers) call();
  for (const key of [...drafts.keys()]) {
    if (!key.startsWith(about)) continue;
    drafts.delete(key);
    sessionStorage.removeItem(IN_STORAGE + key);
  }
}

function kept(): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, text] of Object.entries(sessionStorage)) {
    if (!name.startsWith(IN_STORAGE)) continue;
    try {
      found.set(name.slice(IN_STORAGE.length), JSON.parse(String(text)));
    } catch {
      sessionStorage.removeItem(name);
    }
  }
  return found;
}

/** Keeps a draft over a reload, where it can be; a full storage costs nothing but that. */
function keep(key: string, value: unknown): void {
  try {
    if (isPlain(value)) sessionStorage.setItem(IN_STORAGE + key, JSON.stringify(value));
    else sessionStorage.removeItem(IN_STORAGE + key);
  } catch {
    sessionStorage.removeItem(IN_STORAGE + key);
  }
}

function isPlain(value: unknown): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value)) return true;
  if (Array.isArray(value)) return value.every(isPlain);
  if (typeof value !== "object") return false;
  return (
    Object.getPrototypeOf(value) === Object.prototype &&
    Object.values(value).every((each) => each === undefined || isPlain(each))
  );
}
