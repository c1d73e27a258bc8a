/**
 * The conversation of this tab: its session, and the runs in it.
 *
 * Laws:
 * - It survives a reload, and belongs to this tab alone; another tab has a conversation of its own.
 * - A run is in it once.
 */

import { useSyncExternalStore } from "react";

/** A run of the conversation. */
export interface Spoken {
  readonly runId: string;
  readonly workflowId: string;
}

/** A conversation. */
export interface Conversation {
  readonly sessionId: string | null;
  readonly runs: readonly Spoken[];
  /** The workflow that is selected. */
  readonly workflowId: string | null;
}

const KEY = "interlock.chat";
const NEW: Conversation = { sessionId: null, runs: [], workflowId: null };
let now = kept();
const listeners = new Set<() => void>();

function kept(): Conversation {
  try {
    return { ...NEW, ...(JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Conversation>) };
  } catch {
    return NEW;
  }
}

function set(next: Conversation): void {
  now = next;
  sessionStorage.setItem(KEY, JSON.stringify(next));
  for (const listener of listeners) listener();
}

/** The conversation of this tab. */
export function useConversation(): Conversation {
  return useSyncExternalStore(subscribe, () => now);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Selects the workflow that the next message is for. */
export function select(workflowId: string): void {
  set({ ...now, workflowId });
}

/** A run was started from here. */
export function spoke(run: Spoken, sessionId: string | null): void {
  set({ sessionId: now.sessionId ?? sessionId, runs: [...without(run), run], workflowId: run.workflowId });
}

/** The conversation is about this run; that is a new one, unless the run is in it. */
export function open(run: Spoken): void {
  if (now.runs.some((each) => each.runId === run.runId)) return;
  set({ sessionId: null, runs: [run], workflowId: run.workflowId });
}

/** Begins a new conversation, and forgets this one; its runs go on. */
export function begin(): void {
  set({ ...NEW, workflowId: now.workflowId });
}

/** Nothing of the conversation stays in this tab. */
export function forget(): void {
  set(NEW);
  sessionStorage.removeItem(KEY);
}

function without(run: Spoken): Spoken[] {
  return now.runs.filter((each) => each.runId !== run.runId);
}
