/**
 * The page's title: how much waits, and where one is.
 *
 * Laws:
 * - Moving to another page moves the reader, too: its heading is told.
 */

import { useEffect, useSyncExternalStore } from "react";

let name = "";
let waiting = 0;
const listeners = new Set<() => void>();

function write(): void {
  document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${name === "" ? "" : `${name} – `}Interlock`;
}

/** Names the page that is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    name = title;
    write();
    for (const listener of listeners) listener();
  }, [title]);
}

/** Says how much waits for whoever is signed in. */
export function useWaiting(count: number): void {
  useEffect(() => {
    waiting = count;
    write();
  }, [count]);
}

/** The name of the page that is shown. */
export function usePageName(): string {
  return useSyncExternalStore(subscribe, () => name);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
