/**
 * What is said to screen readers.
 *
 * Laws:
 * - Each sentence is said once, and after what is being said.
 * - Sentences that come at the same time are said together.
 */

import { useSyncExternalStore } from "react";

const SETTLE_MS = 150;
let sentences: readonly string[] = [];
let said = "";
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

/** Says a sentence, politely. */
export function announce(sentence: string): void {
  sentences = [...sentences, sentence];
  timer ??= setTimeout(say, SETTLE_MS);
}

function say(): void {
  timer = undefined;
  // A sentence that is said again has to be another text, or nobody hears of it.
  const text = sentences.join(" ");
  said = text === said ? `${text}\u00a0` : text;
  sentences = [];
  for (const listener of listeners) listener();
}

/** The region that screen readers listen to; there is one in the page. */
export function Announcer() {
  const text = useSyncExternalStore(subscribe, () => said);
  return (
    <div className="unseen" role="status" aria-live="polite" aria-label="Announcements">
      {text}
    </div>
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
