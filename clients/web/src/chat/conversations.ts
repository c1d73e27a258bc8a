/** Runs as conversations: those of one session, the newest first. Pure. */

import type { RunSummary } from "@interlock/client";
import type { Spoken } from "./store.ts";

/** One session, with its runs from the first to the last. */
export interface Session {
  readonly sessionId: string;
  readonly runs: readonly RunSummary[];
  /** When something in it changed last, in milliseconds since 1970. */
  readonly changedAt: number;
  /** How many questions wait in it. */
  readonly waiting: number;
}

/** The conversations of a user, those that changed last first. */
export function sessionsOf(runs: readonly RunSummary[], userId: string | null): Session[] {
  const bySession = new Map<string, RunSummary[]>();
  for (const run of runs) {
    if (run.user_id !== userId) continue;
    const found = bySession.get(run.session_id);
    if (found) found.push(run);
    else bySession.set(run.session_id, [run]);
  }
  return [...bySession]
    .map(([sessionId, found]) => ({
      sessionId,
      runs: [...found].sort((a, b) => a.created_at - b.created_at),
      changedAt: Math.max(...found.map((run) => run.updated_at)),
      waiting: found.reduce((sum, run) => sum + run.pending.length, 0),
    }))
    .sort((a, b) => b.changedAt - a.changedAt);
}

/** The runs of a conversation: those that the server has of its session, and those that only this tab knows of yet. */
export function together(listed: readonly RunSummary[], known: readonly Spoken[]): Spoken[] {
  const first = [...listed]
    .sort((a, b) => a.created_at - b.created_at)
    .map((run) => ({ runId: run.run_id, workflowId: run.workflow_id }));
  const ids = new Set(first.map(({ runId }) => runId));
  return [...first, ...known.filter((run) => !ids.has(run.runId))];
}
