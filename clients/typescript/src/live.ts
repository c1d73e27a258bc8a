/**
 * What a client keeps live: lists of runs, and inboxes.
 *
 * Laws:
 * - After a reconnection a list goes on after the highest `seq` that it was given, so that nothing is missed and nothing
 *   has to be sent again. Where the server can't, it sends what there is now, whole.
 * - Between a question and its ack, what comes is stale: the answer to another question may still be under way.
 * - A list that the server refuses is asked for again on each connection and with each fresh token, until its `close()`.
 *   With a fresh token each list begins anew: another token may see other runs.
 * - Its state is a new object when something changed, and the same one otherwise.
 */

import { refusal, type InterlockError } from "./errors.js";
import { Listeners } from "./listeners.js";
import type { ErrorMessage, FollowInbox, FollowRuns, UnfollowInbox, UnfollowRuns } from "./protocol.js";

/** What every live list shows, besides what is in it. */
export interface LiveState {
  /** `loading` until it is complete; `live` from then on, also while there is no connection for a while. */
  readonly phase: "loading" | "live" | "failed";
  /** Whether there were more than the limit when it was sent; these come when they change. */
  readonly more: boolean;
  /** Why there is nothing, where it `failed`; with another token there may be. */
  readonly error: InterlockError | null;
}

/** What a list needs of its client. @internal */
export interface ListOwner {
  endLive(list: LiveList): void;
}

/** How every live list begins. @internal */
export const LOADING: LiveState = { phase: "loading", more: false, error: null };

/** A live list, of items that are kept while they are sent. */
export abstract class LiveList<State extends LiveState = LiveState, Item = unknown> {
  /** Its name on this connection. */
  readonly name: string;
  /** The items that are told whole, as far as they were sent. */
  protected coming = new Map<string, Item>();
  /** The highest `seq` that was given. */
  protected cursor = 0;
  readonly #owner: ListOwner;
  readonly #changes = new Listeners();
  #state: State;
  #isStale = false;
  /** Nothing was asked for yet, or the server hasn't taken it up. */
  #isAsking = true;
  #closed = false;

  /** @internal */
  constructor(owner: ListOwner, name: string, state: State) {
    this.#owner = owner;
    this.name = name;
    this.#state = state;
  }

  /** What it shows now. */
  get state(): State {
    if (this.#isStale) {
      this.#isStale = false;
      this.#state = { ...this.#state, ...this.content() };
    }
    return this.#state;
  }

  /** Calls `listener` whenever `state` changes. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  /** Ends it; the server stops sending it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.endLive(this);
  }

  // ── For the client ──────────────────────────────────────────────────────────────────────────────────

  /** The message that brings what follows. @internal */
  ask(requestId: string): FollowRuns | FollowInbox {
    this.#isAsking = true;
    return this.asking(requestId, this.cursor === 0 ? {} : { cursor: this.cursor });
  }

  /** The message that ends it. @internal */
  abstract leaving(): UnfollowRuns | UnfollowInbox;

  /** Takes in a message of this list. @internal */
  abstract receive(message: never): void;

  /** The server has taken up what was asked last. @internal */
  acknowledged(): void {
    this.#isAsking = false;
    this.coming = new Map();
  }

  /** What was given up to now doesn't count for the next question. @internal */
  begin(): void {
    this.cursor = 0;
  }

  /** The server doesn't give it now. Returns whether to ask again in a moment. @internal */
  refused(message: ErrorMessage): boolean {
    if (message.retryable) return true;
    this.fail(refusal(message));
    return false;
  }

  /** Nothing will come for now. @internal */
  fail(error: InterlockError): void {
    this.begin();
    this.tell({ phase: "failed", error });
  }

  // ── For those that are one ──────────────────────────────────────────────────────────────────────────

  /** The message that asks for it, from a cursor on. */
  protected abstract asking(requestId: string, from: { cursor?: number }): FollowRuns | FollowInbox;

  /** What is in it now, in its order. */
  protected abstract content(): Partial<State>;

  /** Whether a message counts; it does from the ack on. Notes how far it goes. */
  protected takes(message: { seq: number }): boolean {
    if (this.#isAsking) return false;
    this.cursor = Math.max(this.cursor, message.seq);
    return true;
  }

  /** It is complete. */
  protected completed(message: { resumed?: boolean; more: boolean }): void {
    const more = message.resumed ? this.#state.more : message.more;
    this.changed({ phase: "live", more, error: null });
  }

  /** What is in it has changed. */
  protected changed(change: Partial<LiveState> = {}): void {
    this.#isStale = true;
    this.tell(change);
  }

  protected tell(change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change };
    this.#changes.tell();
  }
}
