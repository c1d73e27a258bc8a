/**
 * What is being written in the editor, until it is saved.
 *
 * Laws:
 * - Nothing that was written is lost by another page, a reload, or a refusal: it is kept for the tab, until it was saved
 *   or thrown away, or the person signs out.
 */

import { useEffect, useState } from "react";
import { whenDraftsDrop } from "../ui/draft.ts";

const PREFIX = "interlock.editor/";

/** What is kept under a key; null where nothing is. */
export function keptText(key: string): string | null {
  return sessionStorage.getItem(PREFIX + key);
}

/** Keeps a text; null forgets it. */
export function keepText(key: string, text: string | null): void {
  if (text === null) return sessionStorage.removeItem(PREFIX + key);
  try {
    sessionStorage.setItem(PREFIX + key, text);
  } catch {
    // There is no more room: the text is in the page for as long as that is open, and leaving it is asked about.
  }
  return undefined;
}

whenDraftsDrop(() => {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
});

/** The text that is written, and whether it differs from the one that is saved. */
export function useKept(key: string, saved: string) {
  const [text, setText] = useState(() => keptText(key) ?? saved);
  const isChanged = text !== saved;
  const write = (next: string) => {
    setText(next);
    keepText(key, next === saved ? null : next);
  };
  useEffect(() => {
    if (!isChanged) return undefined;
    // Only where the tab can't keep it is there something to lose.
    const ask = (event: BeforeUnloadEvent) => keptText(key) !== text && event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isChanged, key, text]);
  return { text, write, isChanged };
}
