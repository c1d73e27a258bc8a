/**
 * A run as a component shows it.
 *
 * Laws:
 * - It is drawn at most once in a frame, however fast a step writes.
 * - A decision counts as accepted from the moment it is made: what it answers is gone, and the run runs, until the server
 *   says so itself or refuses. Then it is shown again as it was.
 * - Components that show the same run share it. The run is left a moment after the last one.
 */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { Client, FollowOptions } from "../client.js";
import type { Decision } from "../decisions.js";
import { misuse, type InterlockError } from "../errors.js";
import type { Run } from "../run.js";
import { initialView, type Pending, type RunView } from "../view.js";
import { useClient } from "./context.js";
import { framed, type Store } from "./frames.js";
import { peek, share } from "./shared.js";

/** What `useRun` gives. */
export interface UseRun {
  /** Undefined until the component is mounted, and where there is no id. */
  run: Run | undefined;
  /** The run as it will be when the decisions that are under way are accepted. */
  view: RunView;
  /** Why the run can't be followed (any more): it doesn't exist, say, or isn't this user's. */
  error: InterlockError | null;
  /** How many events of the past are still to come. */
  behind: number;
  /** Answers a requirement; see `Run.decide`. */
  decide: (requirement: string | Pick<Pending, "id">, decision: Decision) => Promise<void>;
  /** Cancels the run; see `Run.cancel`. */
  cancel: (reason?: string) => Promise<void>;
}

interface Shown {
  run: Run | undefined;
  view: RunView;
  error: InterlockError | null;
  behind: number;
}

/** Follows a run for as long as the component is there. Without an id it follows none. */
export function useRun(runId: string | null | undefined, options: FollowOptions = {}): UseRun {
  const client = useClient();
  const { from = "start", workflowId, log } = options;
  const place = typeof from === "string" ? from : `${from.epoch ?? ""}-${from.lastEventIndex ?? ""}`;
  const store = useMemo(
    () => (runId ? runStore(client, runId, { from, ...given({ workflowId, log }) }) : nothing),
    // `place` stands for `from`, which may be another object each time.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, runId, place, workflowId, log],
  );
  const shown = useSyncExternalStore(store.subscribe, store.read, store.read);
  const decide = useCallback<UseRun["decide"]>(
    (requirement, decision) => followed(client, runId).then((run) => run.decide(requirement, decision)),
    [client, runId],
  );
  const cancel = useCallback<UseRun["cancel"]>(
    (reason) => followed(client, runId).then((run) => run.cancel(reason)),
    [client, runId],
  );
  return { ...shown, decide, cancel };
}

async function followed(client: Client, runId: string | null | undefined): Promise<Run> {
  const run = runId ? ((peek(client, keyOf(runId)) as Owned | undefined)?.run ?? client.run(runId)) : undefined;
  if (run === undefined) throw misuse("this component follows no run yet");
  return Promise.resolve(run);
}

interface Owned {
  run: Run;
  /** Whether the hooks began to follow it, and have to end that. */
  own: boolean;
}

function keyOf(runId: string): string {
  return `run:${runId}`;
}

function runStore(client: Client, runId: string, options: FollowOptions): Store<Shown> {
  let run = (peek(client, keyOf(runId)) as Owned | undefined)?.run ?? client.run(runId);
  let shown: Shown = shownOf(run, run?.optimistic ?? initialView(runId));
  const source: Store<Shown> = {
    read() {
      const now = shownOf(run, run?.optimistic ?? shown.view);
      if (!isSame(now, shown)) shown = now;
      return shown;
    },
    subscribe(listener) {
      const begin = (): Owned => ({ own: client.run(runId) === undefined, run: client.follow(runId, options) });
      const [owned, release] = share(client, keyOf(runId), begin, ({ run, own }) => own && run.unfollow());
      run = owned.run;
      const end = run.subscribe(listener);
      return () => {
        end();
        release();
      };
    },
  };
  return framed(source);
}

function shownOf(run: Run | undefined, view: RunView): Shown {
  return { run, view, error: run?.failure ?? null, behind: run?.behind ?? 0 };
}

function isSame(one: Shown, other: Shown): boolean {
  return one.run === other.run && one.view === other.view && one.error === other.error && one.behind === other.behind;
}

function given(options: Pick<FollowOptions, never> & { workflowId?: string | undefined; log?: FollowOptions["log"] }) {
  const { workflowId, log } = options;
  return { ...(workflowId === undefined ? {} : { workflowId }), ...(log === undefined ? {} : { log }) };
}

const none: Shown = { run: undefined, view: initialView(""), error: null, behind: 0 };
const nothing: Store<Shown> = { subscribe: () => () => undefined, read: () => none };
