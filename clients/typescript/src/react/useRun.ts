/**
 * A run as a component shows it.
 *
 * Laws:
 * - It is drawn at most once in a frame, however fast a step writes.
 * - A decision counts as accepted from the moment it is made: what it answers is gone, and the run runs, until the server
 *   says so itself or refuses. Then it is shown again as it was.
 * - Components that show the same run share it. The run is left a moment after the last one, and not before: what the
 *   program leaves meanwhile is followed anew.
 * - One that asks for another beginning, or more of a log, than the others have is told so: it never gets something else.
 */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { SignalOptions } from "../actions.js";
import type { Client } from "../client.js";
import type { Decision, OnBehalf } from "../decisions.js";
import { misuse, type InterlockError } from "../errors.js";
import type { FollowOptions } from "../options.js";
import type { JsonValue } from "../protocol.js";
import { suiting, type Run } from "../run.js";
import { initialView, type Pending, type RunView } from "../view.js";
import { useClient } from "./context.js";
import { framed, type Store } from "./frames.js";
import { peek, share, type Sharing } from "./shared.js";

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
  decide: (requirement: string | Pick<Pending, "id">, decision: Decision, behalf?: OnBehalf) => Promise<void>;
  /** Sends the run a signal; see `Run.signal`. */
  signal: (topic: string, payload?: JsonValue, options?: SignalOptions) => Promise<string>;
  /** Cancels the run; see `Run.cancel`. */
  cancel: (reason?: string) => Promise<void>;
}

interface Shown {
  run: Run | undefined;
  view: RunView;
  error: InterlockError | null;
  behind: number;
}

/**
 * Follows a run for as long as the component is there. Without an id it follows none.
 *
 * Components share what they follow. Without `from`, a run that is followed already is shown as it is; one that is
 * followed from elsewhere than the `from` that was asked for is a `misuse`, as `error`.
 */
export function useRun(runId: string | null | undefined, options: FollowOptions = {}): UseRun {
  const client = useClient();
  const { from, workflowId, log } = options;
  const place = typeof from === "object" ? `${from.epoch ?? ""}-${from.lastEventIndex ?? ""}` : from;
  const store = useMemo(
    () => (runId ? runStore(client, runId, given({ from, workflowId, log })) : nothing),
    // `place` stands for `from`, which may be another object each time.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [client, runId, place, workflowId, log],
  );
  const shown = useSyncExternalStore(store.subscribe, store.read, store.read);
  const decide = useCallback<UseRun["decide"]>(
    (requirement, decision, behalf) => followed(client, runId).then((run) => run.decide(requirement, decision, behalf)),
    [client, runId],
  );
  const cancel = useCallback<UseRun["cancel"]>(
    (reason) => followed(client, runId).then((run) => run.cancel(reason)),
    [client, runId],
  );
  const signal = useCallback<UseRun["signal"]>(
    (topic, payload, options) => followed(client, runId).then((run) => run.signal(topic, payload, options)),
    [client, runId],
  );
  return { ...shown, decide, signal, cancel };
}

async function followed(client: Client, runId: string | null | undefined): Promise<Run> {
  const run = runId ? sharedOf(client, runId) : undefined;
  if (run === undefined) throw misuse("this component follows no run yet");
  return Promise.resolve(run);
}

/** A run that components share. */
class Followed {
  run: Run;
  readonly #client: Client;
  readonly #options: FollowOptions;
  /** Whether the hooks began to follow it, and have to end that. */
  #own: boolean;

  constructor(client: Client, runId: string, options: FollowOptions) {
    this.#client = client;
    this.#options = options;
    this.#own = client.run(runId) === undefined;
    this.run = client.follow(runId, options);
  }

  /** Follows it anew where the program has left it. */
  renew(): void {
    if (!this.run.left) return;
    this.#own = true;
    this.run = this.#client.follow(this.run.runId, this.#options);
  }

  end(): void {
    if (this.#own) this.run.unfollow();
  }
}

function sharing(client: Client, runId: string, options: FollowOptions): Sharing<Followed> {
  return {
    begin: () => new Followed(client, runId, options),
    check: ({ run }) => {
      if (run.failure !== null) throw run.failure;
      if (run.left) throw misuse("the program has left this run");
      suiting(run, options);
    },
    end: (followed) => followed.end(),
  };
}

function keyOf(runId: string): string {
  return `run:${runId}`;
}

function sharedOf(client: Client, runId: string): Run | undefined {
  return (peek(client, keyOf(runId)) as Followed | undefined)?.run ?? client.run(runId);
}

function runStore(client: Client, runId: string, options: FollowOptions): Store<Shown> {
  const known = sharedOf(client, runId);
  let run = known?.suits(options) === true ? known : undefined;
  let fault: InterlockError | null = null;
  let shown: Shown = shownOf(run, run?.optimistic ?? initialView(runId), fault);
  return framed({
    read() {
      const now = shownOf(run, run?.optimistic ?? shown.view, fault);
      if (!isSame(now, shown)) shown = now;
      return shown;
    },
    subscribe(listener) {
      fault = null;
      try {
        const [followed, release] = share(client, keyOf(runId), sharing(client, runId, options));
        const end = watch(followed, () => {
          run = followed.run;
          listener();
        });
        run = followed.run;
        return () => {
          end();
          release();
        };
      } catch (error) {
        fault = error as InterlockError;
        return () => undefined;
      }
    },
  });
}

/** Tells of every change of a run, also when another following takes the place of one that the program has ended. */
function watch(followed: Followed, tell: () => void): () => void {
  let { run } = followed;
  let end = run.subscribe(told);
  function told(): void {
    followed.renew();
    if (run !== followed.run) {
      end();
      ({ run } = followed);
      end = run.subscribe(told);
    }
    tell();
  }
  return () => end();
}

function shownOf(run: Run | undefined, view: RunView, fault: InterlockError | null): Shown {
  return { run, view, error: fault ?? run?.failure ?? null, behind: run?.behind ?? 0 };
}

function isSame(one: Shown, other: Shown): boolean {
  return one.run === other.run && one.view === other.view && one.error === other.error && one.behind === other.behind;
}

/** The options that were given. */
function given(options: { [K in keyof FollowOptions]: FollowOptions[K] | undefined }): FollowOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

const none: Shown = { run: undefined, view: initialView(""), error: null, behind: 0 };
const nothing: Store<Shown> = { subscribe: () => () => undefined, read: () => none };
