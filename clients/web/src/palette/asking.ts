/** Whether the palette is asked for: by its key, or by a button anywhere in the page. */

import { useEffect, useSyncExternalStore } from "react";

let isAsked = false;
const listeners = new Set<() => void>();

function set(value: boolean): void {
  isAsked = value;
  for (const listener of listeners) listener();
}

/** Opens it. */
export function askForPalette(): void {
  set(true);
}

/** Whether it is to be shown, and what closes it; listens for its key. */
export function usePalette(): [boolean, () => void] {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.shiftKey || event.altKey)
        return;
      event.preventDefault();
      set(!isAsked);
    };
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      set(false);
    };
  }, []);
  return [useSyncExternalStore(subscribe, () => isAsked), close];
}

function close(): void {
  set(false);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
