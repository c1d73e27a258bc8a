/**
 * The conversation of this tab: its session, and the runs in it.
 *
 * Laws:
 * - It survives a reload, and belongs to this tab alone; another tab has a conversation of its own.
 * - It has its session from the beginning: what is sent while the server is away belongs to it, too.
 * - A run is in it once.
 */

import { useSyncExternalStore } from "react";
import type { JsonValue } from "@interlock/client";

/** A run of the conversation. */
export interface Spoken {
  readonly runId: string;
  readonly workflowId: string;
}

/** A message that no run was started with after all. */
export interface Refused {
  readonly id: string;
  readonly workflowId: string;
  readonly message: JsonValue;
  readonly sessionId: string | null;
  /** Why not. */
  readonly sentence: string;
}

/** A conversation. */
export interface Conversation {
  /** Null while that of the run that it is about isn't known. */
  readonly sessionId: string | null;
  readonly runs: readonly Spoken[];
  readonly refused: readonly Refused[];
  /** The workflow that is selected. */
  readonly workflowId: string | null;
}

const KEY = "interlock.chat";
let now = kept();
const listeners = new Set<() => void>();

function anew(workflowId: string | null = null): Conversation {
  return { sessionId: newSession(), runs: [], refused: [], workflowId };
}

function newSession(): string {
  return `chat-${Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function kept(): Conversation {
  try {
    return { ...anew(), ...(JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Conversation>) };
  } catch {
    return anew();
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

/** A run was started from here, in a session; of another one than this conversation's, it is found there. */
export function spoke(run: Spoken, sessionId: string | null): void {
  if (now.sessionId !== null && sessionId !== null && now.sessionId !== sessionId) return;
  set({ ...now, sessionId: now.sessionId ?? sessionId, runs: [...without(run), run], workflowId: run.workflowId });
}

/** The conversation is about this run; that is a new one, unless the run is in it. */
export function open(run: Spoken): void {
  if (now.runs.some((each) => each.runId === run.runId)) return;
  set({ sessionId: null, runs: [run], refused: [], workflowId: run.workflowId });
}

/** The conversation of a session is shown; its runs come from the server. */
export function openSession(sessionId: string): void {
  if (now.sessionId !== sessionId) set({ ...anew(now.workflowId), sessionId });
}

/** The run that the conversation is about belongs to this session. */
export function belongs(runId: string, sessionId: string): void {
  if (now.sessionId === null && now.runs.some((each) => each.runId === runId)) set({ ...now, sessionId });
}

/** A message was refused, after it had left the composer. */
export function refuse(refused: Refused): void {
  set({ ...now, refused: [...now.refused, refused] });
}

/** A refused message isn't shown any more. */
export function dismiss(id: string): void {
  set({ ...now, refused: now.refused.filter((each) => each.id !== id) });
}

/** Begins a new conversation, and forgets this one; its runs go on. */
export function begin(): void {
  set(anew(now.workflowId));
}

/** Nothing of the conversation stays in this tab. */
export function forget(): void {
  set(anew());
  sessionStorage.removeItem(KEY);
}

function without(run: Spoken): Spoken[] {
  return now.runs.filter((each) => each.runId !== run.runId);
}
