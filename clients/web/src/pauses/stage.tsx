/** Follows a run, and gives what is inside of it what cards need. */

import { useMemo, useState, type ReactNode } from "react";
import type { DecisionView, InterlockError, RunView } from "@interlock/client";
import { useInterlock, useRun } from "@interlock/client/react";
import { ANY_WORKFLOW } from "../run/paths.ts";
import { History } from "./history.ts";
import { SceneContext, type Attend, type RunScene } from "./run-context.ts";

/** What a page gets to draw a run with. */
export interface Staged {
  view: RunView;
  error: InterlockError | null;
  behind: number;
  cancel: (reason?: string) => Promise<void>;
}

/** What a `RunStage` takes. */
export interface RunStageProps {
  runId: string;
  workflowId: string;
  children: (staged: Staged) => ReactNode;
}

/** A run, followed for as long as this is there. */
export function RunStage({ runId, workflowId, children }: RunStageProps) {
  const { view, error, behind, decide, cancel } = useRun(runId, workflowId === ANY_WORKFLOW ? {} : { workflowId });
  const isReplaying = behind > 0;
  const { client, connection } = useInterlock();
  const { userId, scopes, namespaces, groups } = connection;
  const attend = useMemo<Attend>(
    () => ({
      claim: (id) => client.claim(runId, id),
      release: (id) => client.release(runId, id),
      delegate: (id, to, reason) => client.delegate(runId, id, to, reason),
    }),
    [client, runId],
  );
  const [history] = useState(() => new History());
  const past = history.read(view.log);
  const decisions = useMemo(() => grouped(view.decisions), [view.decisions]);
  const pending = useMemo(() => new Map(view.pending.map((each) => [each.id, each])), [view.pending]);
  const scene = useMemo<RunScene>(
    () => ({ view, past, decisions, pending, userId, scopes, namespaces, groups, isReplaying, attend, decide }),
    [view, past, decisions, pending, userId, scopes, namespaces, groups, isReplaying, attend, decide],
  );
  return <SceneContext value={scene}>{children({ view, error, behind, cancel })}</SceneContext>;
}

function grouped(decisions: Iterable<DecisionView>): Map<string, DecisionView[]> {
  const found = new Map<string, DecisionView[]>();
  for (const each of decisions) {
    const before = found.get(each.requirementId);
    if (before) before.push(each);
    else found.set(each.requirementId, [each]);
  }
  return found;
}
