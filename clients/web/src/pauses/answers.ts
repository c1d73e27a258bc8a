/**
 * What was answered on this page, and what came of it.
 *
 * Laws:
 * - An answer is kept by what it answers: a requirement, or one tool of it. These ids are never used again.
 * - What was refused stays readable at its card until it is answered again, also when the card is drawn anew.
 * - A question that was decided while it was shown here, and wasn't answered here, was decided elsewhere.
 */

import { useSyncExternalStore } from "react";
import { InterlockError, type Decided } from "@interlock/client";
import { dropDrafts } from "../ui/draft.ts";

/** An answer of this page. */
export interface Answer {
  readonly phase: "sending" | "sent" | "refused";
  /** Why it was refused. */
  readonly error: InterlockError | null;
}

const answers = new Map<string, Answer>();
const shown = new Set<string>();
const listeners = new Set<() => void>();

function tell(): void {
  for (const listener of listeners) listener();
}

/** Sends an answer to what has these ids, and keeps what comes of it. Resolves to why it was refused; null where not. */
export async function answer(ids: readonly string[], send: () => Promise<void>): Promise<InterlockError | null> {
  note(ids, { phase: "sending", error: null });
  try {
    await send();
    note(ids, { phase: "sent", error: null });
    for (const id of ids) dropDrafts(`${id}/`);
    return null;
  } catch (error) {
    const refused = error instanceof InterlockError ? error : new InterlockError("internal", String(error));
    if (refused.code === "taken_back") withdraw(ids);
    else note(ids, { phase: "refused", error: refused });
    return refused;
  }
}

/** The ids of what a decision answers: its tools, or the requirement itself. */
export function answeredBy({ id, decision }: Pick<Decided, "id" | "decision">): string[] {
  return "executor_requirements" in decision ? decision.executor_requirements.map((tool) => tool.id) : [id];
}

/** Keeps what became of an answer. */
export function note(ids: readonly string[], value: Answer): void {
  for (const id of ids) answers.set(id, value);
  tell();
}

/** An answer was taken back before it was sent: as if it had never been given. */
export function withdraw(ids: readonly string[]): void {
  for (const id of ids) answers.delete(id);
  tell();
}

/** A question was shown to the person while it waited. */
export function wasShown(id: string): void {
  shown.add(id);
}

/** Whether a question waited while it was shown here. */
export function waitedHere(id: string): boolean {
  return shown.has(id);
}

/** Whether a question that is decided by now waited here, and was answered somewhere else. */
export function isFromElsewhere(id: string): boolean {
  return shown.has(id) && answers.get(id)?.phase !== "sent" && answers.get(id)?.phase !== "sending";
}

/** The answer of this page to what has this id. */
export function useAnswer(id: string): Answer | undefined {
  return useSyncExternalStore(subscribe, () => answers.get(id));
}

/** Whether an answer of this page to any of these was taken. */
export function useTaken(ids: readonly string[]): boolean {
  return useSyncExternalStore(subscribe, () => ids.some((id) => answers.get(id)?.phase === "sent"));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
