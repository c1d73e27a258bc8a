/**
 * The inbox: the questions that wait for an answer by this user, live.
 *
 * ```ts
 * import { followInbox } from "@interlock/client/inbox";
 *
 * const inbox = followInbox(client);
 * inbox.subscribe(() => console.log(inbox.state.questions.map((each) => each.item.message)));
 * ```
 *
 * Laws:
 * - After a reconnection it goes on after the highest `seq` that it was given: what the server says has changed since takes
 *   the place of what was known of those runs, and the rest stays. An inbox is never half old and half new.
 * - Between a question and its ack, what comes is stale: the answer to another question may still be under way.
 * - With a fresh token it begins anew: another token may see other questions.
 * - What is looked at is looked at again on the next connection. A draft has a higher revision than any that is known.
 * - What is shown is a new array when something changed, and the same one otherwise; so is each question.
 *
 * @packageDocumentation
 */

import type { Client } from "./client.js";
import { behalfOf, type OnBehalf } from "./decisions.js";
import { newKey } from "./keys.js";
import { LiveList, LOADING, type LiveState } from "./live.js";
import type {
  FollowInbox,
  InboxChanged,
  InboxDraft,
  InboxFilter,
  InboxItem,
  InboxListed,
  InboxPresence,
  JsonValue,
  UnfollowInbox,
} from "./protocol.js";

/** What isn't kept over a reload: it is of a moment, or may have something secret. */
const PASSING = { keep: false };

/** A question that waits for this user. */
export interface InboxQuestion {
  /** Its address, `interaction_id`. */
  readonly id: string;
  /** What a card shows of it. */
  readonly item: InboxItem;
  /** Who looks at it, this user too, as long as it is looked at here. */
  readonly people: readonly string[];
  /** What this user has half-written, here or on another device; undefined if that is nothing. */
  readonly draft: JsonValue | undefined;
}

/** What an inbox shows. */
export interface InboxState extends LiveState {
  /** Of the newest runs first. */
  readonly questions: readonly InboxQuestion[];
}

/** What is asked for. */
export interface InboxOptions {
  filter?: InboxFilter;
  /** How many questions at first at most. */
  limit?: number;
}

/** A message of an inbox. While it is told whole, the `seq` of a change is 0. */
export type InboxMessage = InboxChanged | InboxListed | InboxDraft | InboxPresence;

interface Drafted {
  readonly revision: number;
  readonly content: JsonValue | undefined;
}

const NOTHING: Drafted = { revision: 0, content: undefined };

let inboxes = 0;

/** Follows what waits for this user, until its `close()`. It begins at once. */
export function followInbox(client: Client, options: InboxOptions = {}): Inbox {
  return client.live(new Inbox(client, options));
}

/** A live inbox. Made by `followInbox`. */
export class Inbox extends LiveList<InboxState, InboxItem> {
  readonly #client: Client;
  readonly #options: InboxOptions;
  #questions = new Map<string, InboxQuestion>();
  readonly #drafts = new Map<string, Drafted>();
  /** How many look at a question here. */
  readonly #looks = new Map<string, number>();

  /** @internal */
  constructor(client: Client, options: InboxOptions) {
    inboxes += 1;
    super(client, `inbox-${inboxes}`, { ...LOADING, questions: [] });
    this.#client = client;
    this.#options = options;
  }

  /** The question with this address, if it waits for this user. */
  question(id: string): InboxQuestion | undefined {
    return this.#questions.get(id);
  }

  // ── Questions ───────────────────────────────────────────────────────────────────────────────────────

  /**
   * Answers a question: an interaction by its response, anything else by the fields of its decision. Resolves when that is
   * certain; rejects with what the server refuses it with.
   */
  async respond(id: string, response: Record<string, JsonValue>, behalf?: OnBehalf): Promise<void> {
    const said = { action: "respond", interaction_id: id, response, idempotency_key: newKey() } as const;
    await this.#client.act({ ...said, ...behalfOf(behalf) }, undefined, PASSING);
  }

  /** Says that this user has seen a question, for the audit. */
  async seen(id: string): Promise<void> {
    await this.#client.act({ action: "seen", interaction_id: id }, undefined, PASSING);
  }

  /** Says so, and looks at it from now on: `people` is who else does. Returns what looks away. */
  look(id: string): () => void {
    this.#looks.set(id, (this.#looks.get(id) ?? 0) + 1);
    if (this.#looks.get(id) === 1) this.#say(id, true);
    let looks = true;
    return () => {
      if (!looks) return;
      looks = false;
      this.#lookAway(id);
    };
  }

  /** Keeps a half-written answer, for this user's other devices; null throws it away. */
  async saveDraft(id: string, content: JsonValue): Promise<void> {
    const revision = (this.#drafts.get(id)?.revision ?? 0) + 1;
    this.#drafted(id, { revision, content: content ?? undefined });
    await this.#client.act({ action: "draft", interaction_id: id, revision, content }, undefined, PASSING);
  }

  /** Says that one is on it, so that nobody else decides it: for 15 minutes, and for 2 hours at most. */
  async claim(id: string): Promise<void> {
    await this.#client.act({ action: "claim", interaction_id: id });
  }

  /** Gives up a claim. */
  async release(id: string): Promise<void> {
    await this.#client.act({ action: "release", interaction_id: id });
  }

  /** Hands a question over to a user, or `group:NAME`. */
  async delegate(id: string, to: string, reason?: string): Promise<void> {
    await this.#client.act({
      action: "delegate",
      interaction_id: id,
      to,
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /** A question that is over by now isn't looked at, and nobody has to hear of that. */
  #say(id: string, looking: boolean): void {
    this.#client.act({ action: "seen", interaction_id: id, looking }, undefined, PASSING).catch(() => undefined);
  }

  #lookAway(id: string): void {
    const left = (this.#looks.get(id) ?? 1) - 1;
    if (left > 0) {
      this.#looks.set(id, left);
      return;
    }
    this.#looks.delete(id);
    this.#present(id, []);
    this.#say(id, false);
  }

  // ── As a live list ──────────────────────────────────────────────────────────────────────────────────

  protected override asking(requestId: string, from: { cursor?: number }): FollowInbox {
    const { filter, limit } = this.#options;
    const more = { ...(filter === undefined ? {} : { filter }), ...from, ...(limit === undefined ? {} : { limit }) };
    return { action: "follow-inbox", list: this.name, request_id: requestId, ...more };
  }

  /** @internal */
  override leaving(): UnfollowInbox {
    return { action: "unfollow-inbox", list: this.name };
  }

  protected override content(): Partial<InboxState> {
    return { questions: newestFirst(this.#questions.values()) };
  }

  /** @internal */
  override acknowledged(): void {
    super.acknowledged();
    for (const id of this.#looks.keys()) this.#say(id, true);
  }

  /** Takes in a message of this inbox, or about a question. @internal */
  override receive(message: InboxMessage): void {
    if (message.event === "inbox_draft") {
      const { interaction_id, revision, content } = message;
      if (revision >= (this.#drafts.get(interaction_id) ?? NOTHING).revision)
        this.#drafted(interaction_id, { revision, content });
    } else if (message.event === "inbox_presence") this.#present(message.interaction_id, message.people);
    else if (this.takes(message)) this.#listed(message);
  }

  // ── What is known ───────────────────────────────────────────────────────────────────────────────────

  #listed(message: InboxChanged | InboxListed): void {
    if (message.event === "inbox_listed") this.#complete(message);
    else if (message.seq === 0) {
      if (message.item != null) this.coming.set(message.interaction_id, message.item);
    } else this.#changed(message);
  }

  #complete(message: InboxListed): void {
    const changed = new Set(message.changed_runs ?? []);
    for (const [id, { item }] of this.#questions) {
      const isKnownAnew = !message.resumed || changed.has(item.run_id);
      if (isKnownAnew && !this.coming.has(id)) this.#gone(id);
    }
    for (const item of this.coming.values()) this.#take(item);
    this.coming = new Map();
    this.completed(message);
  }

  #changed(message: InboxChanged): void {
    if (message.item != null) this.#take(message.item);
    else if (!this.#gone(message.interaction_id)) return;
    this.changed();
  }

  #gone(id: string): boolean {
    this.#drafts.delete(id);
    return this.#questions.delete(id);
  }

  #take(item: InboxItem): void {
    const id = item.interaction_id;
    const { people = [], draft = this.#drafts.get(id)?.content } = this.#questions.get(id) ?? {};
    this.#questions.set(id, { id, item, people, draft });
  }

  #drafted(id: string, drafted: Drafted): void {
    this.#drafts.set(id, drafted);
    this.#replace(id, { draft: drafted.content });
  }

  #present(id: string, people: readonly string[]): void {
    this.#replace(id, { people });
  }

  #replace(id: string, change: Partial<InboxQuestion>): void {
    const known = this.#questions.get(id);
    if (known === undefined) return;
    this.#questions.set(id, { ...known, ...change });
    this.changed();
  }
}

function newestFirst(questions: Iterable<InboxQuestion>): InboxQuestion[] {
  return [...questions].sort((a, b) => b.item.created_at - a.item.created_at || (a.id < b.id ? 1 : -1));
}
