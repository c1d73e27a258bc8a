/**
 * A live list of runs: those that match a filter, as they are now.
 *
 * Laws, besides those of every live list:
 * - A list that is sent whole takes the place of the old one as a whole: it is never half old and half new.
 * - Runs come newest first. What is shown is a new array when something changed, and the same one otherwise.
 */

import { LiveList, LOADING, type ListOwner, type LiveState } from "./live.js";
import type {
  FollowRuns,
  PendingSummary,
  RunChanged,
  RunListFilter,
  RunsListed,
  RunSummary,
  UnfollowRuns,
} from "./protocol.js";

/** What a list shows. */
export interface ListState extends LiveState {
  readonly runs: readonly RunSummary[];
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

/** Which list a message belongs to: its name, `""` for every one, or undefined for none. */
export function listOf(message: { event: string; list?: unknown }): string | undefined {
  if (message.event === "inbox_draft" || message.event === "inbox_presence") return "";
  return typeof message.list === "string" ? message.list : undefined;
}

/** A live list. Made by `Client.runs`. */
export class RunList extends LiveList<ListState, RunSummary> {
  readonly filter: RunListFilter;
  readonly #limit: number | undefined;
  #runs = new Map<string, RunSummary>();
  /** What has left the list since older runs were asked for. */
  #gone = new Set<string>();

  /** @internal */
  constructor(owner: ListOwner, name: string, options: ListOptions) {
    super(owner, name, { ...LOADING, runs: [] });
    this.filter = options.filter ?? {};
    this.#limit = options.limit;
  }

  /** Everything that the runs of the list wait for, one by one. */
  get pending(): readonly PendingItem[] {
    return this.state.runs.flatMap((run) => run.pending.map((pending) => ({ run, pending })));
  }

  /**
   * Takes in older runs that match, which were asked for apart (`GET /runs`): they stay, and change, as the others do.
   * `more` says whether there are still older ones; `has` tells which runs the list has by now. What the list has is
   * newer than what was asked for, and what left it meanwhile is gone.
   */
  async extend(
    older: (has: (runId: string) => boolean) => Promise<{ runs: readonly RunSummary[]; more: boolean }>,
  ): Promise<void> {
    const gone = (this.#gone = new Set<string>());
    const { runs, more } = await older((runId) => this.#runs.has(runId));
    for (const run of runs) if (!gone.has(run.run_id) && !this.#runs.has(run.run_id)) this.#runs.set(run.run_id, run);
    this.changed({ more });
  }

  // ── As a live list ──────────────────────────────────────────────────────────────────────────────────

  protected override asking(requestId: string, from: { cursor?: number }): FollowRuns {
    const limit = this.#limit === undefined ? {} : { limit: this.#limit };
    return { action: "follow-runs", list: this.name, filter: this.filter, request_id: requestId, ...from, ...limit };
  }

  /** @internal */
  override leaving(): UnfollowRuns {
    return { action: "unfollow-runs", list: this.name };
  }

  protected override content(): Partial<ListState> {
    return { runs: newestFirst(this.#runs.values()) };
  }

  /** @internal */
  override receive(message: ListMessage): void {
    if (!("list" in message) || !this.takes(message)) return;
    if (message.event === "runs_listed") {
      if (!message.resumed) this.#runs = this.coming;
      this.completed(message);
    } else if (message.seq === 0) this.coming.set(message.run.run_id, message.run);
    else this.#changed(message);
  }

  #changed(message: RunChanged): void {
    const runId = message.run.run_id;
    if (message.matches) this.#runs.set(runId, message.run);
    else this.#gone.add(runId);
    if (message.matches || this.#runs.delete(runId)) this.changed();
  }
}

function newestFirst(runs: Iterable<RunSummary>): RunSummary[] {
  return [...runs].sort((a, b) => b.created_at - a.created_at || (a.run_id < b.run_id ? 1 : -1));
}
