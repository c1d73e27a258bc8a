/**
 * A live list of runs: those that match a filter, as they are now.
 *
 * Laws:
 * - After a reconnection the list goes on after the highest `seq` that it was given, so that nothing is missed and
 *   nothing has to be sent again. Where the server can't, it sends the current list, which takes the place of the old one
 *   as a whole: a list is never half old and half new.
 * - Between a question and its ack, what comes is stale: the answer to another question may still be under way.
 * - A list that the server refuses is asked for again on each connection and with each fresh token, until its `close()`.
 *   With a fresh token each list begins anew: another token may see other runs.
 * - Runs come newest first. What is shown is a new array when something changed, and the same one otherwise.
 */

import { refusal, type InterlockError } from "./errors.js";
import { Listeners } from "./listeners.js";
import type {
  ErrorMessage,
  FollowRuns,
  PendingSummary,
  RunChanged,
  RunListFilter,
  RunsListed,
  RunSummary,
} from "./protocol.js";

/** What a list shows. */
export interface ListState {
  readonly runs: readonly RunSummary[];
  /** `loading` until the list is complete; `live` from then on, also while there is no connection for a while. */
  readonly phase: "loading" | "live" | "failed";
  /** Whether there were more than the limit when the list was sent; these come when they change. */
  readonly more: boolean;
  /** Why there is no list, where it `failed`; with another token there may be one. */
  readonly error: InterlockError | null;
}

/** What one run waits for, in a list over all. */
export interface PendingItem {
  readonly run: RunSummary;
  readonly pending: PendingSummary;
}

/** What is asked for. */
export interface ListOptions {
  /** The list's name on this connection; one is made up where it is left out. */
  list?: string;
  filter?: RunListFilter;
  /** How many runs at most. */
  limit?: number;
}

/** A message of a live list. In the current list, the `seq` of a change is 0. */
export type ListMessage = RunChanged | RunsListed;

/** Whether a message belongs to a live list. */
export function isListMessage(message: { event: string }): message is ListMessage {
  return message.event === "run_changed" || message.event === "runs_listed";
}

/** What a list needs of its client. */
export interface ListOwner {
  close(list: RunList): void;
}

/** A live list. Made by `Client.runs`. */
export class RunList {
  readonly name: string;
  readonly filter: RunListFilter;
  readonly #limit: number | undefined;
  readonly #owner: ListOwner;
  readonly #changes = new Listeners();
  #runs = new Map<string, RunSummary>();
  /** The current list, as far as it was sent. */
  #coming = new Map<string, RunSummary>();
  /** What has left the list since older runs were asked for. */
  #gone = new Set<string>();
  #cursor = 0;
  #state: ListState = { runs: [], phase: "loading", more: false, error: null };
  #isStale = false;
  /** Nothing was asked for yet, or the server hasn't taken it up. */
  #isAsking = true;
  #closed = false;

  /** @internal */
  constructor(owner: ListOwner, name: string, options: ListOptions) {
    this.name = name;
    this.filter = options.filter ?? {};
    this.#limit = options.limit;
    this.#owner = owner;
  }

  /** What the list shows now. */
  get state(): ListState {
    if (this.#isStale) {
      this.#isStale = false;
      this.#state = { ...this.#state, runs: newestFirst(this.#runs.values()) };
    }
    return this.#state;
  }

  /** Everything that the runs of the list wait for, one by one. */
  get pending(): readonly PendingItem[] {
    return this.state.runs.flatMap((run) => run.pending.map((pending) => ({ run, pending })));
  }

  /**
   * Takes in older runs that match, which were asked for apart (`GET /runs`): they stay, and change, as the others do.
   * `more` says whether there are still older ones. What the list has already is newer, and what left it while they
   * were asked for is gone.
   */
  async extend(older: () => Promise<{ runs: readonly RunSummary[]; more: boolean }>): Promise<void> {
    const gone = (this.#gone = new Set<string>());
    const { runs, more } = await older();
    for (const run of runs) if (!gone.has(run.run_id) && !this.#runs.has(run.run_id)) this.#runs.set(run.run_id, run);
    this.#isStale = true;
    this.#set({ more });
  }

  /** Calls `listener` whenever `state` changes. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  /** Ends the list; the server stops sending it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.close(this);
  }

  // ── For the client ──────────────────────────────────────────────────────────────────────────────────

  /** The message that brings what follows. @internal */
  ask(requestId: string): FollowRuns {
    this.#isAsking = true;
    return {
      action: "follow-runs",
      list: this.name,
      filter: this.filter,
      request_id: requestId,
      ...(this.#cursor === 0 ? {} : { cursor: this.#cursor }),
      ...(this.#limit === undefined ? {} : { limit: this.#limit }),
    };
  }

  /** The server has taken up what was asked last. @internal */
  acknowledged(): void {
    this.#isAsking = false;
    this.#coming = new Map();
  }

  /** What was given up to now doesn't count for the next question. @internal */
  begin(): void {
    this.#cursor = 0;
  }

  /** Takes in a message of this list. @internal */
  receive(message: ListMessage): void {
    if (this.#isAsking) return;
    this.#cursor = Math.max(this.#cursor, message.seq);
    if (message.event === "runs_listed") this.#listed(message);
    else if (message.seq === 0) this.#coming.set(message.run.run_id, message.run);
    else this.#changed(message);
  }

  /** The server doesn't give this list now. Returns whether to ask again in a moment. @internal */
  refused(message: ErrorMessage): boolean {
    if (message.retryable) return true;
    this.fail(refusal(message));
    return false;
  }

  /** Nothing will come for now. @internal */
  fail(error: InterlockError): void {
    this.begin();
    this.#set({ phase: "failed", error });
  }

  #listed(message: RunsListed): void {
    if (!message.resumed) this.#runs = this.#coming;
    this.#isStale = true;
    const more = message.resumed ? this.#state.more : message.more;
    this.#set({ phase: "live", more, error: null });
  }

  #changed(message: RunChanged): void {
    const runId = message.run.run_id;
    if (message.matches) this.#runs.set(runId, message.run);
    else this.#gone.add(runId);
    if (!message.matches && !this.#runs.delete(runId)) return;
    this.#isStale = true;
    this.#set({});
  }

  #set(change: Partial<ListState>): void {
    this.#state = { ...this.#state, ...change };
    this.#changes.tell();
  }
}

function newestFirst(runs: Iterable<RunSummary>): RunSummary[] {
  return [...runs].sort((a, b) => b.created_at - a.created_at || (a.run_id < b.run_id ? 1 : -1));
}
