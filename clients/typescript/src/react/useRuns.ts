/**
 * Live lists: runs, and what they wait for.
 *
 * Laws:
 * - They change by themselves, at most once in a frame; nothing is asked for again and again.
 * - Components that show the same list share it.
 * - What waits in a run for others only isn't among what waits for this user.
 * - What was answered on this page is gone from the list at once, and comes back when the answer is refused.
 */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client.js";
import type { Decision } from "../decisions.js";
import type { InterlockError } from "../errors.js";
import { Listeners } from "../listeners.js";
import type { ListState, PendingItem, RunList } from "../lists.js";
import { mayDecide } from "../may.js";
import type { RunListFilter } from "../protocol.js";
import { useClient } from "./context.js";
import { framed, type Store } from "./frames.js";
import { peek, share } from "./shared.js";
import { useIdentity } from "./useInterlock.js";

const empty: ListState = { runs: [], phase: "loading", more: false, error: null };

/** The runs that match a filter, live, the newest first. */
export function useRuns(filter: RunListFilter = {}, options: { limit?: number } = {}): ListState {
  const client = useClient();
  const wanted = JSON.stringify({ filter, ...options });
  const store = useMemo(() => framed(listStore(client, wanted)), [client, wanted]);
  return useSyncExternalStore(store.subscribe, store.read, () => empty);
}

/** What `usePending` gives. */
export interface UsePending {
  /**
   * What waits for this user, each with its run; what was answered here just now isn't among them. What a run asks of a
   * group is, also where the user isn't in it, if the run asks something else of the user: `mayDecide` says `null` then.
   */
  pending: readonly PendingItem[];
  /** Whether the list isn't complete yet. */
  loading: boolean;
  /** Whether more runs wait than are listed. */
  more: boolean;
  /** Takes in older runs that wait, which were asked for apart; see `RunList.extend`. */
  extend: RunList["extend"];
  /** Why there is no list. */
  error: InterlockError | null;
  /** Answers one of them; see `Client.decide`. */
  decide: (item: PendingItem, decision: Decision) => Promise<void>;
}

const WAITING_FOR_ME: RunListFilter = { waiting_for_me: true };
/** As many runs as the server lists at once. */
const MOST = 500;

/** Everything that waits for this user, in all runs, live. */
export function usePending(): UsePending {
  const client = useClient();
  const identity = useIdentity(client);
  const { runs, phase, more, error } = useRuns(WAITING_FOR_ME, { limit: MOST });
  const answers = answersOf(client);
  const answered = useSyncExternalStore(answers.subscribe, answers.read, answers.read);
  const pending = useMemo(
    () =>
      runs
        .flatMap((run) => run.pending.map((pending) => ({ run, pending })))
        .filter(({ run, pending }) => mayDecide(identity, run.user_id, pending.assignees, run.namespace) !== false)
        .filter(({ pending }) => !answered.has(pending.id)),
    [runs, answered, identity],
  );
  const decide = useCallback<UsePending["decide"]>(
    async ({ run, pending }, decision) => {
      // Of several tools, some may be left.
      const whole = !("executor_requirements" in decision);
      if (whole) answers.add(pending.id);
      try {
        await client.decide(run, pending.id, decision);
      } catch (refused) {
        answers.delete(pending.id);
        throw refused;
      }
    },
    [client, answers],
  );
  const extend = useCallback<UsePending["extend"]>(
    (older) => {
      const list = peek(client, keyOf(JSON.stringify({ filter: WAITING_FOR_ME, limit: MOST }))) as RunList | undefined;
      return list === undefined ? Promise.resolve() : list.extend(older);
    },
    [client],
  );
  return { pending, loading: phase === "loading", more, extend, error, decide };
}

function keyOf(wanted: string): string {
  return `list:${wanted}`;
}

function listStore(client: Client, wanted: string): Store<ListState> {
  const key = keyOf(wanted);
  let list = peek(client, key) as RunList | undefined;
  return {
    read: () => list?.state ?? empty,
    subscribe(listener) {
      const options = JSON.parse(wanted) as { filter: RunListFilter; limit?: number };
      const { limit, filter } = options;
      const begin = () => client.runs({ filter, ...(limit === undefined ? {} : { limit }) });
      const [shared, release] = share(client, key, { begin, end: (each) => each.close() });
      list = shared;
      const end = list.subscribe(listener);
      return () => {
        end();
        release();
      };
    },
  };
}

/** How many answers are kept in mind: far more than are under way at a time. */
const MAX_ANSWERS = 1000;

/** The requirements that were answered on this page lately; their ids are never used again. */
class Answers {
  #ids: ReadonlySet<string> = new Set();
  readonly #changes = new Listeners();

  readonly read = () => this.#ids;
  readonly subscribe = (listener: () => void) => this.#changes.add(listener);

  add(id: string): void {
    this.#set(new Set([...this.#ids, id].slice(-MAX_ANSWERS)));
  }

  delete(id: string): void {
    this.#set(new Set([...this.#ids].filter((each) => each !== id)));
  }

  #set(ids: ReadonlySet<string>): void {
    this.#ids = ids;
    this.#changes.tell();
  }
}

const answersByClient = new WeakMap<Client, Answers>();

function answersOf(client: Client): Answers {
  const found = answersByClient.get(client) ?? new Answers();
  answersByClient.set(client, found);
  return found;
}
