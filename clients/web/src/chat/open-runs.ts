/**
 * The runs of the conversation that haven't ended: what they ask of whoever looks, and how each is answered and stopped.
 *
 * Laws:
 * - Each run on the page tells its own, and takes it back when it goes; nothing is followed for it a second time.
 * - It is told anew only where something of it has changed: text that streams draws nothing again.
 */

import { useEffect, useSyncExternalStore } from "react";
import { isFinal, mayDecide, whyNotAsked, type Decision, type Pending, type RunView } from "@interlock/client";
import { useScene } from "../pauses/run-context.ts";
import { hasResponded, votesIn } from "../pauses/votes.tsx";

/** A run that hasn't ended. */
export interface OpenRun {
  readonly runId: string;
  readonly name: string;
  readonly view: RunView;
  /** What waits for whoever looks. */
  readonly asks: readonly Pending[];
  readonly decide: (requirement: string, decision: Decision) => Promise<void>;
  readonly cancel: (reason?: string) => Promise<void>;
}

/** A question of one of the runs. */
export interface Asking {
  readonly run: OpenRun;
  readonly pending: Pending;
}

let open: readonly OpenRun[] = [];
const listeners = new Set<() => void>();

function set(next: readonly OpenRun[]): void {
  open = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The open runs of the conversation, in the order in which they came. */
export function useOpenRuns(): readonly OpenRun[] {
  return useSyncExternalStore(subscribe, () => open);
}

/** Tells of the run of this scene, for as long as it is on the page. */
export function useToldOpen(name: string, cancel: OpenRun["cancel"]): void {
  const { view, userId, scopes, namespaces, groups, isReplaying, decide } = useScene();
  const { runId, status, pending, lastIndex, userId: owner, namespace } = view;
  const isOpen = !isFinal(status) && lastIndex !== null && !isReplaying;
  useEffect(() => {
    const before = open.find((each) => each.runId === runId);
    if (!isOpen) {
      if (before) set(open.filter((each) => each !== before));
      return;
    }
    const who = { userId, scopes, namespaces, groups };
    const asks = pending.filter(
      (each) =>
        each.kind !== "signal" &&
        mayDecide(who, owner, each.requirement.assignees, namespace) !== false &&
        whyNotAsked(who, each.requirement, owner) === null &&
        !hasResponded(votesIn(each), userId),
    );
    const now = { runId, name, view, asks, decide, cancel };
    set(before ? open.map((each) => (each === before ? now : each)) : [...open, now]);
    // What streams changes the view, and nothing of what is told here.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [runId, isOpen, status, pending, owner, namespace, name, decide, cancel, userId, scopes, namespaces, groups]);
  useEffect(() => () => set(open.filter((each) => each.runId !== runId)), [runId]);
}
