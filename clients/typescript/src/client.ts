/**
 * The client: one connection, any number of runs, lists and actions.
 *
 * Laws:
 * - Each action carries a `request_id` and waits for its ack, or rejects with what the server refused it with.
 * - After a reconnection the runs are asked for before the actions are sent again: a decision would otherwise make the
 *   server follow a run from there, past what was missed.
 * - A run is registered while the ack of its start is being read, before the events that follow in the same breath.
 * - Of each run there is one `Run` at a time, however often it is asked for; once it has ended or was left, none.
 */

import { cancellation, signalOf, type Attention, type SignalOptions } from "./actions.js";
import { httpUrl, socketUrl, tokenIn } from "./address.js";
import { Backoff } from "./backoff.js";
import { json } from "./codec.js";
import { isSame, NOBODY, whoIs, type ConnectionState } from "./connection.js";
import { Cursor, type Place } from "./cursor.js";
import { behalfOf, hasSecret, parts, type Decided, type Decision, type OnBehalf } from "./decisions.js";
import { InterlockError, misuse, refusal } from "./errors.js";
import { indexOf, runOf, type Received } from "./events.js";
import { Instances } from "./instances.js";
import { Keeper } from "./keeper.js";
import { newKey } from "./keys.js";
import { Link, type LinkListener } from "./link.js";
import { Listeners } from "./listeners.js";
import { listOf, RunList, type ListOptions } from "./lists.js";
import type { LiveList } from "./live.js";
import { Memory, type Remembered } from "./memory.js";
import type { ConnectOptions, FollowOptions, RunReference, StartOptions } from "./options.js";
import { Outbox, type Action, type Making, type Waiting } from "./outbox.js";
import type { Ack, ErrorMessage, JsonValue } from "./protocol.js";
import { Later } from "./later.js";
import { Rest } from "./rest.js";
import { Services } from "./services.js";
import { nextChange, Run, suiting, unintroduced, type Owner } from "./run.js";
import { builtIn } from "./socket.js";
import { page } from "./surroundings.js";
import { Tokens } from "./tokens.js";
import { initialView, type RunView, type ViewOptions } from "./view.js";
import { Watch } from "./watching.js";

const RETRY_MS = 1000;
const noted = () => undefined;

/**
 * A client of the server at `url`: `http(s)://…`, `ws(s)://…`, `host[:port]`, or a path of the page's own server.
 *
 * It connects at once, keeps the connection, and makes it again whenever it is lost, until `close()`.
 */
export function connect(url: string, options: ConnectOptions = {}): Client {
  return new Client(url, options);
}

/** A client. Made by `connect()`. */
export class Client extends Services {
  /** Where the server is: `http(s)://HOST:PORT`, with the prefix that it is served below. */
  readonly url: string;
  /** Instances of state machines: started, resumed, waited for. */
  readonly instances: Instances;
  readonly #options: ConnectOptions;
  readonly #link: Link;
  /** What waits for the server's answer: shown, taken back. */
  readonly outbox: Outbox;
  readonly #memory: Memory | null;
  readonly #keeper: Keeper | null;
  readonly #changes = new Listeners();
  readonly #runs = new Map<string, Run>();
  readonly #lists = new Map<string, LiveList>();
  /** Runs that are waited for, whether the program follows them or not. */
  readonly #watches = new Map<string, Watch>();
  readonly #asked = new Map<string, Run | LiveList | Watch>();
  /** Runs that the server sends and nobody follows; it was told so. */
  readonly #strays = new Set<string>();
  /** How many events of the past are still to come, of each run that lacks some, and of all. */
  readonly #behind = new Map<Run, number>();
  #left = 0;
  /** What is asked for again in a moment. */
  readonly #later = new Later(RETRY_MS);
  /** There is a connection again, and the server hasn't said yet what was missed. */
  #isReturning = false;
  #requests = 0;
  #state: ConnectionState;
  #ended: InterlockError | null = null;

  /** @internal */
  constructor(url: string, options: ConnectOptions) {
    const tokens = new Tokens(options.token ?? tokenIn(url));
    const rest = new Rest(httpUrl(url), tokens, options.fetch);
    super(rest);
    this.url = httpUrl(url);
    this.instances = new Instances(rest, this);
    this.#options = options;
    const prefix = options.storagePrefix ?? "interlock";
    this.outbox = new Outbox(options.maxWaitingActions ?? 100, options.outbox, prefix);
    this.outbox.restore(() => this.#nextRequest());
    const surroundings = options.surroundings ?? page;
    this.#memory = options.storage ? new Memory(options.storage, { prefix }) : null;
    this.#keeper = this.#memory && new Keeper(this.#memory, surroundings);
    const heartbeat = options.heartbeat ?? 15_000;
    this.#state = { phase: "connecting", ...NOBODY };
    this.#link = new Link(
      {
        url: socketUrl(url),
        codec: options.codec ?? json,
        tokens,
        WebSocket: options.WebSocket ?? builtIn(),
        patience: { open: options.openTimeout ?? 10_000, heartbeat, answer: 5_000 },
        backoff: new Backoff(options.backoff),
        surroundings,
      },
      this.#listener(),
    );
    this.#link.start();
  }

  // ── The connection ──────────────────────────────────────────────────────────────────────────────────

  /** The state of the connection; a new object whenever it changes. */
  get connection(): ConnectionState {
    return this.#state;
  }

  /** Calls `listener` whenever `connection` changes. Returns what ends that. */
  subscribe(listener: () => void): () => void {
    return this.#changes.add(listener);
  }

  /** Resolves when there is a connection; rejects when there will be none any more. */
  async ready(): Promise<void> {
    while (!this.#link.ready) {
      if (this.#ended !== null) throw this.#ended;
      await new Promise<void>((resolve) => {
        const end = this.subscribe(() => {
          end();
          resolve();
        });
      });
    }
  }

  /**
   * Goes on with a fresh token of the same user, before the old one expires, say: on the connection that is there, where
   * nothing stops for it, and on those to come. Resolves when the server has accepted it.
   *
   * Rejects with an `InterlockError`: `invalid_token`, `expired_token`; the old one stays good for as long as it was.
   */
  async authenticate(token: string): Promise<void> {
    if (token === "") throw misuse("an empty string is no token; close() ends a client");
    await this.#link.authenticate(token);
  }

  /** Tries to connect at once, where that is being waited for. */
  retry(): void {
    this.#link.wake();
  }

  /** Closes the connection; runs go on without this client. */
  close(): void {
    this.#link.close(new InterlockError("closed", "The client is closed."));
  }

  // ── Runs ────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts a run and follows it. Resolves when the server has it for certain. */
  async start(workflowId: string, options: StartOptions = {}): Promise<Run> {
    const { message, sessionId, version, userId, namespace, businessKey, idempotencyKey, ...making } = options;
    const action: Action = {
      action: "start-workflow",
      workflow_id: workflowId,
      idempotency_key: idempotencyKey ?? newKey(),
      ...(message === undefined ? {} : { message }),
      ...(sessionId === undefined ? {} : { session_id: sessionId }),
      ...(version === undefined ? {} : { version }),
      ...(userId === undefined ? {} : { user_id: userId }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(businessKey === undefined ? {} : { business_key: businessKey }),
    };
    let started: Run | undefined;
    const began = (ack: Ack, waiting: Waiting) => {
      const isFresh = idempotencyKey === undefined && waiting.attempts === 1;
      started = this.#started(ack, workflowId, isFresh);
      this.#link.hold(); // whoever started it listens before its first event
    };
    await this.act(action, began, making);
    if (started === undefined) throw new InterlockError("internal", "The server started a run without saying which.");
    return started;
  }

  /**
   * Follows a run, if it isn't followed yet, and returns it at once. `Run.ready()` says whether the server lets it.
   *
   * A run that is followed already is returned as it is. Throws `misuse` where that isn't what is asked for: a run that
   * was begun with a snapshot doesn't know its past.
   */
  follow(runId: string, options: FollowOptions = {}): Run {
    const known = this.#runs.get(runId);
    if (known !== undefined) return suiting(known, options);
    const [cursor, view] = this.#beginning(runId, options);
    const isWhole = options.from === "stored" && view.lastIndex === null;
    const run = new Run(this.#owner, cursor, view, isWhole ? "start" : options.from);
    if (this.#ended !== null) {
      run.fail(this.#ended);
      return run;
    }
    this.#register(run);
    this.#resume(run);
    return run;
  }

  /** The run, if this client follows it. */
  run(runId: string): Run | undefined {
    return this.#runs.get(runId);
  }

  /** Watches where a run stands, whether the program follows it or not; until `unwatch`. @internal */
  watch(runId: string): Watch {
    const known = this.#watches.get(runId);
    const watch = known ?? new Watch(runId);
    watch.users += 1;
    if (this.#ended !== null) watch.fail(this.#ended);
    else if (known === undefined) {
      this.#watches.set(runId, watch);
      if (!this.#runs.has(runId)) this.#resumeWatch(watch);
    }
    return watch;
  }

  /** @internal */
  unwatch(watch: Watch): void {
    watch.users -= 1;
    if (watch.users > 0 || this.#watches.get(watch.runId) !== watch) return;
    this.#watches.delete(watch.runId);
    if (this.#runs.has(watch.runId) || !watch.wantsEvents) return;
    this.#strays.add(watch.runId);
    this.#unfollow(watch.runId);
  }

  /** A live list of runs. It begins at once, and lasts until its `close()`. */
  runs(options: ListOptions = {}): RunList {
    const name = options.list ?? (this.#lists.has("runs") ? `runs-${this.#nextRequest()}` : "runs");
    if (this.#lists.has(name)) throw misuse(`there is a list '${name}' already; close() it first`);
    return this.live(new RunList(this, name, options));
  }

  /** Keeps a list live, until `endLive`. @internal */
  live<L extends LiveList>(list: L): L {
    if (this.#ended !== null) list.fail(this.#ended);
    else this.#lists.set(list.name, list);
    this.#resumeList(list);
    return list;
  }

  /** @internal */
  endLive(list: LiveList): void {
    this.#lists.delete(list.name);
    if (this.#link.ready) this.#link.send(list.leaving());
  }

  /** Answers a requirement of a run, followed or not; see `Run.decide`. */
  decide(run: RunReference, requirementId: string, decision: Decision, behalf?: OnBehalf): Promise<void> {
    const followed = this.#runs.get(run.run_id);
    if (followed !== undefined) return followed.decide(requirementId, decision, behalf);
    return this.#decide(run.run_id, run.workflow_id, [{ id: requirementId, decision }], behalf);
  }

  /** Cancels a run, followed or not. Resolves when that is certain. */
  cancel(run: RunReference, reason?: string): Promise<void> {
    return this.act(cancellation(run.run_id, run.workflow_id, reason)).then(() => undefined);
  }

  /** Sends a signal to a run, followed or not; see `Run.signal`. */
  async signal(runId: string, topic: string, payload: JsonValue = null, options: SignalOptions = {}): Promise<string> {
    return (await this.act(signalOf(runId, topic, payload, options))).signal_id ?? "";
  }

  /**
   * Says that this user is on a requirement, so that nobody else decides it: for 15 minutes, until it is said again.
   * Rejects with `claimed` where somebody else is.
   */
  claim(runId: string, requirementId: string): Promise<void> {
    return this.#attend({ action: "claim", run_id: runId, requirement_id: requirementId });
  }

  /** Gives up a claim. */
  release(runId: string, requirementId: string): Promise<void> {
    return this.#attend({ action: "release", run_id: runId, requirement_id: requirementId });
  }

  /** Hands a requirement over to a user, or to `group:NAME`: they are asked instead of this user. */
  delegate(runId: string, requirementId: string, to: string, reason?: string): Promise<void> {
    const about = { run_id: runId, requirement_id: requirementId, to };
    return this.#attend({ action: "delegate", ...about, ...(reason === undefined ? {} : { reason }) });
  }

  /** The runs that `storage` remembers, the latest first; `follow(…, { from: "stored" })` goes on with one. */
  get remembered(): readonly Remembered[] {
    return this.#memory?.runs ?? [];
  }

  /** Forgets a run that `storage` remembers. */
  forget(runId: string): void {
    this.#keeper?.drop(runId);
    this.#memory?.forget(runId);
  }

  // ── Actions ─────────────────────────────────────────────────────────────────────────────────────────

  readonly #attend = (action: Attention): Promise<void> => this.act(action).then(() => undefined);

  /** Has the server carry out an action. @internal */
  async act(action: Action, acknowledged: Waiting["acknowledged"] = noted, making: Making = {}): Promise<Ack> {
    if (this.#ended !== null) throw this.#ended;
    const message = { ...action, request_id: this.#nextRequest() };
    const made = { ...making, who: whoIs(this.#link.identity) };
    return this.outbox.add(message, acknowledged, (waiting) => this.#transmit(waiting), made);
  }

  #transmit(waiting: Waiting): void {
    if (!this.#link.ready) return; // `ready` comes back to it
    this.outbox.sent(waiting);
    try {
      this.#link.send(waiting.message);
    } catch (error) {
      this.outbox.drop(waiting, error instanceof InterlockError ? error : misuse(`it can't be sent: ${String(error)}`));
    }
  }

  async #decide(runId: string, workflowId: string, decided: readonly Decided[], behalf?: OnBehalf): Promise<void> {
    const action = { action: "continue-workflow", run_id: runId, workflow_id: workflowId } as const;
    this.#strays.delete(runId);
    const said = { ...parts(decided), ...behalfOf(behalf) };
    const keep = !hasSecret(this.#runs.get(runId)?.view.pending ?? [], decided);
    await this.act({ ...action, ...said, idempotency_key: newKey() }, () => this.#stopIfLagging(runId), { keep });
  }

  /** A decision makes the server follow the run; one that lags is to stay where it is until there is room. */
  #stopIfLagging(runId: string): void {
    const run = this.#runs.get(runId);
    if (run !== undefined && !run.wantsEvents) this.#unfollow(runId);
  }

  #nextRequest(): string {
    return String(++this.#requests);
  }

  // ── Following ───────────────────────────────────────────────────────────────────────────────────────

  #beginning(runId: string, { from = "start", workflowId, log }: FollowOptions): [Cursor, RunView] {
    const empty = this.#emptyView(runId, log, workflowId);
    if (from === "snapshot") return [new Cursor(runId, { snapshot: true }), empty];
    if (from === "start") return [new Cursor(runId), empty];
    if (from !== "stored") return [new Cursor(runId, { place: from }), withPlace(empty, from)];
    const view = this.#memory?.load(runId, empty.log) ?? empty;
    return [new Cursor(runId, { place: { epoch: view.epoch, lastEventIndex: view.lastIndex } }), view];
  }

  #emptyView(runId: string, log: ViewOptions["log"], workflowId?: string): RunView {
    const limit = log ?? this.#options.log;
    const view = initialView(runId, limit === undefined ? {} : { log: limit });
    return workflowId === undefined ? view : { ...view, workflowId };
  }

  #started(ack: Ack, workflowId: string, isFresh: boolean): Run | undefined {
    if (ack.run_id === undefined) return undefined;
    const known = this.#runs.get(ack.run_id);
    if (known !== undefined) return known;
    const view = { ...this.#emptyView(ack.run_id, undefined, workflowId), sessionId: ack.session_id ?? null };
    const run = new Run(this.#owner, new Cursor(ack.run_id, { streaming: isFresh }), view);
    this.#register(run);
    if (isFresh) run.acknowledged();
    else this.#resume(run);
    return run;
  }

  #register(run: Run): void {
    this.#strays.delete(run.runId);
    this.#runs.set(run.runId, run);
  }

  #resume(run: Run): void {
    if (run.wantsEvents) this.#ask(run);
  }

  #resumeList(list: LiveList): void {
    if (this.#lists.get(list.name) === list) this.#ask(list);
  }

  #resumeWatch(watch: Watch): void {
    if (watch.wantsEvents) this.#ask(watch);
  }

  #ask(what: Run | LiveList | Watch): void {
    if (!this.#link.ready) return; // `ready` comes back to it
    const requestId = this.#nextRequest();
    this.#asked.set(requestId, what);
    this.#link.send(what.ask(requestId));
  }

  #unfollow(runId: string): void {
    const watch = this.#watches.get(runId);
    if (watch !== undefined)
      this.#resumeWatch(watch); // instead: whoever waits for the run is told all the same
    else if (this.#link.ready) this.#link.send({ action: "unfollow", run_id: runId });
  }

  #leave(run: Run): void {
    if (this.#runs.get(run.runId) !== run) return;
    this.#runs.delete(run.runId);
    this.#strays.add(run.runId);
    this.#unfollow(run.runId);
    this.#count(run, 0);
    this.#update();
  }

  readonly #owner: Owner = {
    resume: (run) => this.#resume(run),
    stop: (run) => this.#unfollow(run.runId),
    unfollow: (run) => this.#leave(run),
    changed: (run) => this.#runChanged(run),
    decide: async (run, decided, behalf) => this.#decide(run.runId, await this.#workflowOf(run), decided, behalf),
    cancel: async (run, reason) => this.cancel({ run_id: run.runId, workflow_id: await this.#workflowOf(run) }, reason),
    signal: (runId, topic, payload, options) => this.signal(runId, topic, payload, options),
  };

  /** The run's workflow, waiting for its first event if need be. */
  async #workflowOf(run: Run): Promise<string> {
    while (run.view.workflowId === null) {
      if (run.failure !== null) throw run.failure;
      if (run.ended || !this.#runs.has(run.runId)) throw unintroduced(run.runId);
      await nextChange(run);
    }
    return run.view.workflowId;
  }

  #runChanged(run: Run): void {
    if (this.#runs.get(run.runId) !== run) return; // it was left, or it failed
    this.#keeper?.changed(run.view);
    if (run.ended) this.#runs.delete(run.runId);
    this.#count(run, run.behind);
    this.#update();
  }

  // ── For the link ────────────────────────────────────────────────────────────────────────────────────

  #listener(): LinkListener {
    return {
      ready: () => this.#ready(),
      renewed: () => this.#renewed(),
      lost: () => this.#lost(),
      received: (message) => this.#received(message),
      changed: () => this.#update(),
      ended: (error) => this.#end(error),
    };
  }

  /** Sends what the server has to be told (again) on this connection. */
  #ready(): void {
    this.#asked.clear();
    for (const run of [...this.#runs.values()]) {
      run.lost(); // with the connection, or with the token that had expired
      this.#resume(run);
    }
    for (const watch of this.#watches.values()) {
      if (this.#runs.get(watch.runId)?.wantsEvents !== true) this.#resumeWatch(watch);
    }
    this.#isReturning = true;
    for (const list of [...this.#lists.values()]) this.#resumeList(list);
    for (const waiting of this.outbox.all(whoIs(this.#link.identity))) this.#transmit(waiting);
  }

  /** Another token may list other runs, and a list that was refused before may be allowed now. */
  #renewed(): void {
    for (const list of [...this.#lists.values()]) {
      list.begin();
      this.#resumeList(list);
    }
  }

  #lost(): void {
    this.#asked.clear();
    this.#strays.clear();
    for (const run of this.#runs.values()) run.lost();
  }

  #received(message: Received): void {
    if (message.event === "ack") this.#acknowledged(message as Ack);
    else if (message.event === "error") this.#refused(message as ErrorMessage);
    else if (!this.#listed(message)) this.#routed(message);
    if (this.#isReturning) this.#update();
  }

  #listed(message: Received): boolean {
    const name = listOf(message);
    for (const list of this.#lists.values()) {
      if (name === "" || name === list.name) list.receive(message as never);
    }
    return name !== undefined;
  }

  #routed(message: Received): void {
    const runId = runOf(message);
    if (runId === undefined) return;
    const [run, watch] = [this.#runs.get(runId), this.#watches.get(runId)];
    watch?.receive(message);
    if (run !== undefined) run.receive(message);
    else if (watch === undefined && indexOf(message) !== undefined && !this.#strays.has(runId)) {
      this.#strays.add(runId);
      this.#unfollow(runId);
    }
  }

  #acknowledged(ack: Ack): void {
    const asked = this.#asked.get(ack.request_id);
    this.#asked.delete(ack.request_id);
    if (asked === undefined) this.outbox.acknowledge(ack);
    else if (!(asked instanceof Watch)) asked.acknowledged();
  }

  #refused(message: ErrorMessage): void {
    const requestId = message.request_id ?? "";
    const asked = this.#asked.get(requestId);
    this.#asked.delete(requestId);
    if (asked instanceof Run) this.#notFollowed(asked, message);
    else if (asked instanceof Watch) this.#notWatched(asked, message);
    else if (asked?.refused(message) === true) this.#later.do(() => this.#resumeList(asked));
    else if (asked !== undefined) return;
    else if (message.request_id === undefined) this.#dropped(message);
    else this.outbox.refuse(message);
  }

  /** A fresh token doesn't let its bearer read a run, say, and the server has stopped sending it. */
  #dropped(message: ErrorMessage): void {
    const run = this.#runs.get(message.run_id ?? "");
    if (run !== undefined) this.#notFollowed(run, message);
  }

  #notFollowed(run: Run, message: ErrorMessage): void {
    run.lost();
    if (message.retryable) {
      this.#later.do(() => this.#runs.get(run.runId) === run && !run.streaming && this.#resume(run));
      return;
    }
    this.#runs.delete(run.runId);
    this.#count(run, 0);
    run.fail(refusal(message));
    const watch = this.#watches.get(run.runId);
    if (watch !== undefined) this.#resumeWatch(watch);
    this.#update();
  }

  #notWatched(watch: Watch, message: ErrorMessage): void {
    if (message.retryable) this.#later.do(() => this.#watches.get(watch.runId) === watch && this.#resumeWatch(watch));
    else watch.fail(refusal(message));
  }

  #end(error: InterlockError): void {
    this.#ended = error;
    const [runs, lists, watches] = [[...this.#runs.values()], [...this.#lists.values()], [...this.#watches.values()]];
    for (const each of [this.#runs, this.#lists, this.#watches, this.#asked, this.#strays, this.#behind]) each.clear();
    this.#left = 0;
    this.#later.clear();
    this.#keeper?.close();
    for (const run of runs) run.fail(error);
    for (const list of lists) list.fail(error);
    for (const watch of watches) watch.fail(error);
    this.outbox.fail(error);
  }

  // ── The state of the connection ─────────────────────────────────────────────────────────────────────

  #count(run: Run, behind: number): void {
    this.#left += behind - (this.#behind.get(run) ?? 0);
    if (behind > 0) this.#behind.set(run, behind);
    else this.#behind.delete(run);
  }

  #update(): void {
    const { phase, identity } = this.#link;
    if (phase.phase === "live" && this.#awaitsAnswers()) return;
    const left = phase.phase === "live" ? this.#left : 0;
    const now: ConnectionState = left > 0 ? { ...identity, phase: "replaying", left } : { ...identity, ...phase };
    if (isSame(this.#state, now)) return;
    this.#state = now;
    this.#changes.tell();
  }

  /** Whether it isn't known yet what was missed. Until it is, the connection isn't said to be there. */
  #awaitsAnswers(): boolean {
    if (this.#isReturning) this.#isReturning = [...this.#runs.values()].some((run) => run.awaitsAnswer);
    return this.#isReturning && this.#state.phase !== "live" && this.#state.phase !== "replaying";
  }
}

function withPlace(view: RunView, place: Place): RunView {
  const last = place.lastEventIndex;
  return { ...view, epoch: place.epoch, lastIndex: last, snapshotAsOf: last };
}
