/**
 * Actions that wait for the server's answer.
 *
 * Laws:
 * - An action is kept until it is answered, and sent again on each new connection, under the idempotency key that it had
 *   from the beginning: it is applied once, however often it arrives.
 * - Actions are sent (again) in the order in which they were made.
 * - It is bounded. What doesn't fit is refused to whoever made it, and never dropped in silence.
 * - Where it has a storage, what waits outlives a reload; only the user who made it has it sent. What was sent longer ago
 *   than the server knows keys isn't sent again: nobody could tell whether that is once.
 * - What was never sent can be taken back. Of what was, only the server knows.
 */

import { InterlockError, refusal } from "./errors.js";
import { newKey } from "./keys.js";
import { Listeners } from "./listeners.js";
import type { StorageLike } from "./memory.js";
import type { Attention } from "./actions.js";
import type {
  Ack,
  CancelWorkflow,
  ContinueWorkflow,
  Draft,
  ErrorMessage,
  Respond,
  Seen,
  SendSignal,
  StartWorkflow,
} from "./protocol.js";

/** An action that is applied once, whatever happens to the connection. */
export type Action =
  StartWorkflow | ContinueWorkflow | CancelWorkflow | SendSignal | Attention | Respond | Seen | Draft;

/** An action that waits for its answer, as a program sees it. */
export interface WaitingAction {
  /** Its idempotency key, where it has one. */
  readonly id: string;
  readonly action: Action;
  /** When it was made, in milliseconds since 1970. */
  readonly at: number;
  /** Whether it was sent, so that the server may have it. */
  readonly wasSent: boolean;
  /** Whether it was made before the page was reloaded: nobody waits for its promise any more. */
  readonly isRestored: boolean;
  /** What `StartOptions.note` said. */
  readonly note?: string;
}

/** What came of an action: the server's ack, or why there is none. */
export interface Settled {
  readonly waiting: WaitingAction;
  readonly ack: Ack | null;
  readonly error: InterlockError | null;
}

/** An action that waits for its answer. @internal */
export interface Waiting {
  readonly message: Action & { request_id: string };
  /** How often it was sent. */
  attempts: number;
  /** Called with the ack before anything else is done with it, so that what follows in the same breath finds its run. */
  readonly acknowledged: (ack: Ack, waiting: Waiting) => void;
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: InterlockError) => void;
  readonly about: About;
}

interface About {
  id: string;
  at: number;
  isRestored: boolean;
  /** Who made it; null where that wasn't known. */
  who: string | null;
  note?: string;
  /** Whether it may be written to the storage. */
  keep: boolean;
}

/** What else is known of an action. @internal */
export type Making = Partial<Pick<About, "who" | "note" | "keep">>;

interface Kept {
  action: Action;
  attempts: number;
  about: About;
}

const NOBODY_WAITS = { acknowledged: () => undefined, resolve: () => undefined, reject: () => undefined };

/** For how long the server knows an idempotency key. */
const KNOWN_MS = 24 * 60 * 60 * 1000;

/** The actions of one client: `Client.outbox`. */
export class Outbox {
  readonly #limit: number;
  readonly #storage: StorageLike | undefined;
  readonly #key: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #changes = new Listeners();
  readonly #settled = new Listeners<[Settled]>();
  #shown: readonly WaitingAction[] | null = null;

  /** @internal */
  constructor(limit: number, storage?: StorageLike, prefix = "interlock") {
    this.#limit = limit;
    this.#storage = storage;
    this.#key = `${prefix}:outbox`;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** What waits, in the order in which it was made; a new array whenever it changes. */
  get waiting(): readonly WaitingAction[] {
    return (this.#shown ??= [...this.#waiting.values()].map(shownOf));
  }

  /** Calls `listener` whenever `waiting` changes. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  /** Calls `listener` with what came of each action; of one from before a reload, too. Returns what ends that. */
  onSettled(listener: (settled: Settled) => void): () => void {
    return this.#settled.add(listener);
  }

  /**
   * Takes an action back that was never sent: whoever waits for it gets an `InterlockError`, `taken_back`. Returns whether
   * it could be: what was sent may have been carried out.
   */
  takeBack(id: string): boolean {
    const found = [...this.#waiting.values()].find((each) => each.about.id === id);
    if (found === undefined || found.attempts > 0) return false;
    this.drop(found, new InterlockError("taken_back", "It was taken back before it was sent."));
    return true;
  }

  /** Forgets everything that waits, also in the storage: another user comes, say. What was sent may be carried out. */
  forget(): void {
    this.fail(new InterlockError("taken_back", "It was forgotten before it was answered."));
    this.#storage?.removeItem(this.#key);
  }

  /** Takes an action up. `send` is called with what to send now. @internal */
  add(
    message: Waiting["message"],
    acknowledged: Waiting["acknowledged"],
    send: (waiting: Waiting) => void,
    { who = null, note, keep = true }: Making = {},
  ): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= this.#limit) {
        const sentence = `${this.#limit} actions wait for an answer already; wait for one of them.`;
        reject(new InterlockError("outbox_full", sentence, { retryable: true }));
        return;
      }
      const id = ("idempotency_key" in message ? message.idempotency_key : null) ?? newKey();
      const about = { id, at: Date.now(), isRestored: false, who, keep, ...(note === undefined ? {} : { note }) };
      const waiting: Waiting = { message, attempts: 0, acknowledged, resolve, reject, about };
      this.#waiting.set(message.request_id, waiting);
      this.#changed();
      send(waiting);
    });
  }

  /** Takes up what waited before the page was reloaded; `request` gives each another id. @internal */
  restore(request: () => string): void {
    for (const { action, attempts, about } of this.#kept()) {
      const message = { ...action, request_id: request() };
      const restored = { ...about, isRestored: true };
      this.#waiting.set(message.request_id, { message, attempts, ...NOBODY_WAITS, about: restored });
    }
  }

  /** Everything that this user has waiting, in order: what has to be sent on a new connection. @internal */
  all(who: string | null = null): readonly Waiting[] {
    for (const each of [...this.#waiting.values()]) {
      const { about, attempts } = each;
      if (about.who !== null && who !== null && about.who !== who)
        this.drop(each, new InterlockError("taken_back", "It was made by somebody else."));
      else if (about.isRestored && attempts > 0 && Date.now() - about.at > KNOWN_MS)
        this.drop(
          each,
          new InterlockError("unanswered", "It was sent more than a day ago; whether it was done, isn't known."),
        );
    }
    return [...this.#waiting.values()];
  }

  /** An action is being sent. @internal */
  sent(waiting: Waiting): void {
    waiting.attempts += 1;
    if (waiting.attempts === 1) this.#changed();
  }

  /** An ack came. Returns whether it was for an action of this outbox. @internal */
  acknowledge(ack: Ack): boolean {
    const waiting = this.#take(ack.request_id);
    if (waiting === undefined) return false;
    waiting.acknowledged(ack, waiting);
    waiting.resolve(ack);
    this.#settled.tell({ waiting: shownOf(waiting), ack, error: null });
    return true;
  }

  /** A refusal came. Returns whether it was for an action of this outbox. @internal */
  refuse(message: ErrorMessage): boolean {
    const waiting = this.#waiting.get(message.request_id ?? "");
    if (waiting !== undefined) this.drop(waiting, refusal(message));
    return waiting !== undefined;
  }

  /** One action can't be sent, or was refused. @internal */
  drop(waiting: Waiting, error: InterlockError): void {
    if (this.#take(waiting.message.request_id) === undefined) return;
    waiting.reject(error);
    this.#settled.tell({ waiting: shownOf(waiting), ack: null, error });
  }

  /** Nothing will be answered any more by this client; what is in the storage waits for the next one. @internal */
  fail(error: InterlockError): void {
    const left = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#shown = null;
    for (const waiting of left) {
      waiting.reject(error);
      this.#settled.tell({ waiting: shownOf(waiting), ack: null, error });
    }
    this.#changes.tell();
  }

  #take(requestId: string): Waiting | undefined {
    const waiting = this.#waiting.get(requestId);
    if (this.#waiting.delete(requestId)) this.#changed();
    return waiting;
  }

  #changed(): void {
    this.#shown = null;
    this.#keep();
    this.#changes.tell();
  }

  #keep(): void {
    const storage = this.#storage;
    if (storage === undefined) return;
    const kept = [...this.#waiting.values()].filter((each) => each.about.keep);
    try {
      if (kept.length === 0) storage.removeItem(this.#key);
      else storage.setItem(this.#key, JSON.stringify(kept.map(keptOf)));
    } catch {
      // It is full, or nobody may touch it: what waits is lost with the page, as without a storage.
    }
  }

  #kept(): readonly Kept[] {
    try {
      const kept: unknown = JSON.parse(this.#storage?.getItem(this.#key) ?? "[]");
      return Array.isArray(kept) ? kept.filter(isKept) : [];
    } catch {
      return [];
    }
  }
}

function keptOf({ message, attempts, about }: Waiting): Kept {
  const { request_id: _id, ...action } = message;
  return { action, attempts, about };
}

function isKept(each: unknown): each is Kept {
  const { action, about } = (each ?? {}) as Partial<Kept>;
  return typeof action?.action === "string" && typeof about?.id === "string";
}

function shownOf(waiting: Waiting): WaitingAction {
  const { action, attempts, about } = keptOf(waiting);
  const { id, at, isRestored, note } = about;
  return { id, action, at, wasSent: attempts > 0, isRestored, ...(note === undefined ? {} : { note }) };
}
