/**
 * A run as one client follows it: its view, its events, and what can be done to it.
 *
 * Laws:
 * - The view is as of the last event that was received, through any number of connections.
 * - A loop over the events (`for await`) gets each once and in order. Where a loop is slower than the events come, so
 *   that the log would forget what it hasn't read, the run lags: the server is asked to stop, and to go on when half of
 *   it is read. Nothing is lost, and the view lags with it.
 * - What was answered here is shown as answered (`optimistic`) until the server says so itself, or refuses.
 */

import type { SignalOptions } from "./actions.js";
import type { Cursor } from "./cursor.js";
import { Hole, type Beginning, type Place } from "./cursor.js";
import { answeredBy, type Decided, type Decision, type OnBehalf } from "./decisions.js";
import { InterlockError, misuse } from "./errors.js";
import { isFinal, type Received, type RunMessage } from "./events.js";
import { Listeners } from "./listeners.js";
import { expecting } from "./optimistic.js";
import type { JsonValue, Reconnect, Replay } from "./protocol.js";
import { Reader } from "./reader.js";
import { applyEvent } from "./reduce.js";
import type { Pending, RunView, ViewOptions } from "./view.js";

/** What a run needs of its client. */
export interface Owner {
  /** Asks the server for what follows the run's place, now or when there is a connection. */
  resume(run: Run): void;
  /** Asks the server to stop sending. */
  stop(run: Run): void;
  /** The program doesn't want this run any more. */
  unfollow(run: Run): void;
  /** The run has changed. */
  changed(run: Run): void;
  decide(run: Run, decided: readonly Decided[], behalf?: OnBehalf): Promise<void>;
  cancel(run: Run, reason: string | undefined): Promise<void>;
  signal(runId: string, topic: string, payload: JsonValue, options: SignalOptions): Promise<string>;
}

/** Waits until a run is another than it is now. */
export function nextChange(run: Run): Promise<void> {
  return new Promise((resolve) => {
    const end = run.subscribe(() => {
      end();
      resolve();
    });
  });
}

/** One run. Made by `Client.start` and `Client.follow`. */
export class Run implements AsyncIterable<RunMessage> {
  readonly runId: string;
  readonly #owner: Owner;
  readonly #cursor: Cursor;
  readonly #changes = new Listeners();
  readonly #events = new Listeners<[RunMessage]>();
  readonly #readers = new Set<Reader>();
  readonly #from: Beginning;
  readonly #ready: Promise<void>;
  #settle!: { resolve: () => void; reject: (error: InterlockError) => void };
  #view: RunView;
  #optimistic: RunView;
  #answered: ReadonlySet<string> = new Set();
  #failure: InterlockError | null = null;
  #left = false;
  #lagging = false;
  #mendedAt: string | null = null;

  /** @internal */
  constructor(owner: Owner, cursor: Cursor, view: RunView, from: Beginning = "start") {
    this.runId = cursor.runId;
    this.#owner = owner;
    this.#cursor = cursor;
    this.#view = view;
    this.#optimistic = view;
    this.#from = from;
    this.#ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#ready.catch(() => undefined); // who doesn't ask for it is told by `failure`
  }

  // ── What is known ───────────────────────────────────────────────────────────────────────────────────

  /** Where the run stands, as of the last event that was received. */
  get view(): RunView {
    return this.#view;
  }

  /** The view as it will be when the decisions that are under way are accepted. */
  get optimistic(): RunView {
    return this.#optimistic;
  }

  /** Where `Client.follow` can go on another day. */
  get place(): Place {
    return { epoch: this.#cursor.epoch, lastEventIndex: this.#cursor.last };
  }

  /** How many events of the past are still to come; until it is 0, `pending` is what the run waited for then. */
  get behind(): number {
    return this.#cursor.behind;
  }

  /** Whether the run has ended, and all of it was received. */
  get ended(): boolean {
    return this.#cursor.ended;
  }

  /** Why nothing more will come, if that isn't the run's own end. */
  get failure(): InterlockError | null {
    return this.#failure;
  }

  /** Resolves when the server lets this client follow the run; rejects when it doesn't. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Calls `listener` whenever `view`, `optimistic`, `behind` or `failure` changes. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  /** Calls `listener` with each message from now on, once and in order. Returns what ends that. */
  onEvent(listener: (event: RunMessage) => void): () => void {
    return this.#events.add(listener);
  }

  /**
   * The run's messages, from the first one that the log keeps up to the last one of the run.
   *
   * The loop throws an `InterlockError` when nothing more will come for another reason than the run's end.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RunMessage> {
    const reader = new Reader(this.#source());
    this.#readers.add(reader);
    return reader;
  }

  /** Resolves with the view of the run once it has ended. Pauses aren't answered by it. */
  async finished(): Promise<RunView> {
    for (;;) {
      if (this.ended) return this.#view;
      const over = this.#over;
      if (over instanceof Error) throw over;
      if (over) throw new InterlockError("closed", "The run isn't followed any more.", { runId: this.runId });
      await new Promise<void>((resolve) => {
        const end = this.subscribe(() => {
          end();
          resolve();
        });
      });
    }
  }

  // ── What can be done ────────────────────────────────────────────────────────────────────────────────

  /**
   * Answers a requirement, by itself or its id. Resolves when the server has the answer for certain.
   *
   * Rejects with an `InterlockError`: `invalid_decision` (with `fields`), `conflict` (with `decision` and
   * `resolvedBy`), `requirement_expired`, `run_finished`, `forbidden`, …; nothing was changed then.
   */
  decide(requirement: string | Pick<Pending, "id"> | Pending, decision: Decision, behalf?: OnBehalf): Promise<void> {
    const id = typeof requirement === "string" ? requirement : requirement.id;
    const digest = typeof requirement === "object" && "requirement" in requirement && requirement.requirement.digest;
    return this.decideAll([digest ? { id, decision, digest } : { id, decision }], behalf);
  }

  /** Answers several requirements at once, all of them or none; without a `digest` as they are shown now. */
  async decideAll(decided: readonly Decided[], behalf?: OnBehalf): Promise<void> {
    const ids = decided.flatMap(answeredBy);
    const seen = decided.map((each) => ({ ...this.#digestOf(each.id), ...each }));
    this.#expect(new Set([...this.#answered, ...ids]));
    try {
      await this.#owner.decide(this, seen, behalf);
    } catch (error) {
      this.#expect(new Set([...this.#answered].filter((id) => !ids.includes(id))));
      throw error;
    }
  }

  #digestOf(id: string): { digest?: string } {
    const digest = this.#view.pending.find((each) => each.id === id)?.requirement.digest;
    return digest === undefined ? {} : { digest };
  }

  /** Cancels the run. Resolves when that is certain; the view says so when its event has come. */
  cancel(reason?: string): Promise<void> {
    return this.#owner.cancel(this, reason);
  }

  /**
   * Sends a signal, with any JSON value of up to 256 KiB, and resolves to its id when the run is certain to get it: now,
   * or when something in it waits for that topic. Rejects with `run_finished`, `signals_full`, `conflict`, and others.
   */
  signal(topic: string, payload: JsonValue = null, options: SignalOptions = {}): Promise<string> {
    return this.#owner.signal(this.runId, topic, payload, options);
  }

  /** Stops following; the run goes on. Loops over its events end. */
  unfollow(): void {
    if (this.#left) return;
    this.#left = true;
    this.#cursor.stop();
    this.#owner.unfollow(this);
    this.#tell();
  }

  // ── For the client ──────────────────────────────────────────────────────────────────────────────────

  /** Whether who follows it so sees what is asked for; what isn't said is taken as it is. @internal */
  suits({ from, log }: { from?: Beginning; log?: ViewOptions["log"] }): boolean {
    const kept = log === "complete" ? Infinity : (log ?? 0);
    return kept <= this.#view.log.limit && (from === undefined || isWithin(from, this.#from));
  }

  /** Whether the program doesn't want it any more. @internal */
  get left(): boolean {
    return this.#left;
  }

  /** Whether the server is to send what follows. @internal */
  get wantsEvents(): boolean {
    return !(this.#lagging || this.#left || this.#cursor.ended || this.#failure !== null);
  }

  /** Whether the server sends, or was asked to. @internal */
  get streaming(): boolean {
    return this.#cursor.sync !== "idle";
  }

  /** Whether the server hasn't said yet where the run stands. @internal */
  get awaitsAnswer(): boolean {
    return this.#cursor.sync === "asked" || this.#cursor.sync === "acknowledged";
  }

  /** @internal */
  ask(requestId: string): Reconnect {
    return this.#cursor.ask(requestId, this.#view.workflowId);
  }

  /** The server has taken up what was asked. @internal */
  acknowledged(): void {
    this.#cursor.acknowledged();
    this.#settle.resolve();
  }

  /** The connection is gone. @internal */
  lost(): void {
    this.#cursor.stop();
  }

  /** Nothing more will come. @internal */
  fail(error: InterlockError): void {
    this.#failure ??= error;
    this.#settle.reject(this.#failure);
    this.#tell();
  }

  /** Takes in a message about this run. @internal */
  receive(message: Received): void {
    let news: RunMessage[];
    const behind = this.#cursor.behind;
    try {
      news = this.#cursor.take(message);
    } catch (error) {
      if (!(error instanceof Hole)) throw error;
      this.#mend(error);
      return;
    }
    for (const event of news) this.#fold(event);
    if (message.event === "replay") this.#replayed(message as Replay);
    if (news.length > 0 || this.#cursor.behind !== behind || this.#cursor.ended) this.#tell();
    this.#lagIfFull();
  }

  #fold(event: RunMessage): void {
    this.#view = applyEvent(this.#view, event);
    const waits = this.#answered.size > 0 ? waitingIds(this.#view.pending) : null;
    if (waits !== null) this.#answered = new Set([...this.#answered].filter((id) => waits.has(id)));
    this.#optimistic = expecting(this.#view, this.#answered);
    this.#events.tell(event);
  }

  /** Of a finished run of which nothing was missed, no event says how it ended. */
  #replayed(replay: Replay): void {
    if (!this.#cursor.ended || isFinal(this.#view.status)) return;
    this.#view = { ...this.#view, status: replay.status };
    this.#optimistic = this.#view;
  }

  #expect(answered: ReadonlySet<string>): void {
    this.#answered = answered;
    this.#optimistic = expecting(this.#view, answered);
    this.#tell();
  }

  #mend(hole: Hole): void {
    const place = `${this.#cursor.epoch ?? ""}-${this.#cursor.last ?? ""}`;
    if (this.#mendedAt === place) {
      this.fail(new InterlockError("broken_stream", hole.message, { runId: this.runId }));
      this.#owner.unfollow(this);
      return;
    }
    this.#mendedAt = place;
    this.#cursor.stop();
    this.#owner.resume(this);
  }

  // ── Loops ───────────────────────────────────────────────────────────────────────────────────────────

  #source() {
    const log = () => this.#view.log;
    const over = () => this.#over;
    return {
      get log() {
        return log();
      },
      get over() {
        return over();
      },
      read: () => this.#roomy(),
      left: (reader: Reader) => {
        this.#readers.delete(reader);
        this.#roomy();
      },
    };
  }

  get #over(): Error | boolean {
    if (this.#failure !== null) return this.#failure;
    return this.#left || this.#cursor.ended;
  }

  /** How much of the log the slowest loop hasn't read. */
  get #unread(): number {
    const places = [...this.#readers].map((reader) => reader.place);
    return places.length === 0 ? 0 : this.#view.log.end - Math.min(...places);
  }

  #lagIfFull(): void {
    if (this.#readers.size === 0 || !this.wantsEvents || this.#unread < this.#view.log.limit) return;
    this.#lagging = true;
    this.#cursor.stop();
    this.#owner.stop(this);
  }

  #roomy(): void {
    if (!this.#lagging || this.#unread * 2 > this.#view.log.limit) return;
    this.#lagging = false;
    this.#owner.resume(this);
  }

  #tell(): void {
    for (const reader of this.#readers) reader.wake();
    this.#owner.changed(this);
    this.#changes.tell();
  }
}

/** The run, where it is followed as is asked for; throws where it isn't. @internal */
export function suiting(run: Run, options: { from?: Beginning; log?: ViewOptions["log"] }): Run {
  if (run.suits(options)) return run;
  throw misuse(
    `the run ${run.runId} is followed already, with another 'from' or 'log'; unfollow() it first, or ask alike`,
  );
}

/** Whether a run that was begun at one place shows what one would that was begun at another. */
function isWithin(asked: Beginning, begun: Beginning): boolean {
  if (typeof asked === "string") return begun === "start" || begun === asked;
  if (typeof begun === "string") return false;
  return begun.epoch === asked.epoch && begun.lastEventIndex === asked.lastEventIndex;
}

function waitingIds(pending: readonly Pending[]): Set<string> {
  const ids = pending.flatMap((each) => {
    const tools = each.kind === "error_decision" ? [] : (each.requirement.executor_requirements ?? []);
    return [each.id, ...tools.map((tool) => tool.id)];
  });
  return new Set(ids);
}

/** What the client says of a run whose workflow isn't known. @internal */
export function unintroduced(runId: string): InterlockError {
  return misuse(`what workflow the run ${runId} belongs to isn't known yet; tell follow() its workflowId`);
}
