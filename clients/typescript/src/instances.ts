/**
 * Instances of state machines: started, resumed, followed, over HTTP; and waited for, by the socket.
 *
 * Laws:
 * - Each creation and each resume carries an idempotency key, the caller's or one of its own, and is sent again under it
 *   if no answer came: it takes effect once.
 * - A resume of an instance, and not only of an id, names the halt that this one showed (`halt_id`), so that a double
 *   click never answers the next one.
 * - Nobody polls: whoever waits is told by the socket, and asks for the instance only once it stands as wanted.
 * - Objects are the server's own, with its names. A newer server may send more than is here.
 */

import { InterlockError } from "./errors.js";
import { newKey } from "./keys.js";
import type { HaltedOptions, Presentation } from "./presentations.js";
import type { JsonValue, RunStatus } from "./protocol.js";
import { path, type Call, type Rest } from "./rest.js";
import type { Watch } from "./watching.js";

export type InstanceStatus = "running" | "halted" | "completed" | "failed" | "cancelled";

/** What a resume, a form and a machine are given: values by their names. */
export type InstanceInput = Record<string, JsonValue>;

/** What is asked where something is halted. */
export interface Halt {
  /** What names the halt, for `resume`. */
  halt_id?: string | null;
  halted_at_state?: string | null;
  /** What a person is to be shown, templates filled in. */
  halting_presentation?: Presentation | null;
  /** The same for a halt with instructions. */
  halted_options?: HaltedOptions | null;
  /** The topic of the signals that lead on from it; without anything else to show, only they do. */
  halted_signal?: string | null;
  /** The JSON Schema of the input, if there is no form. */
  accepts?: JsonValue;
  /** A hash over what is asked; a resume that is given what shows the halt says it was made on that. */
  halted_digest?: string | null;
  /** Whether a resume has to. */
  halted_bind?: boolean;
}

/** One path of an instance, and what it asks. */
export interface MachineThread extends Halt {
  id: string;
  status: InstanceStatus;
  current_state: string;
}

/** One visit of a state; `thread` is told of other threads than the main one. */
export interface StateVisit {
  state: string;
  thread?: string;
  entered_at: string;
  exited_at?: string;
  transition?: string;
  logs?: string[];
  duration_ms?: number;
  input_received?: JsonValue;
  resumed_at?: string;
  resumed_by?: string;
}

/** An instance as it stood when the server answered, and what it asks. Lists and short answers leave out the most. */
export interface Instance extends Halt {
  /** The id of its run, too: for `Client.follow`. */
  id: string;
  status: InstanceStatus;
  workflow_name?: string;
  version_id?: string | null;
  namespace?: string;
  business_key?: string;
  /** The failed instance that it repeats. */
  retried_from?: string;
  current_state?: string | null;
  workflow_data?: Record<string, JsonValue>;
  threads?: MachineThread[];
  history?: StateVisit[];
  /** `code: message`, if it failed. */
  error?: string | null;
  created_at?: string;
  ended_at?: string | null;
  cancelled_at?: string;
}

export type HistoryEventType = "transition" | "step" | "halt" | "signal" | "error" | "lifecycle";

/** Something that happened to an instance, with whatever belongs to its type and subtype. */
export interface HistoryEvent {
  id: string;
  type: HistoryEventType;
  subtype?: string;
  timestamp?: string;
  thread?: string;
  /** The data as it was after it, where it was asked for. */
  workflow_data?: Record<string, JsonValue>;
  [more: string]: JsonValue | undefined;
}

/** One page of what happened to an instance. */
export interface HistoryPage {
  instance_id: string;
  workflow_id: string;
  status: InstanceStatus;
  events: HistoryEvent[];
  pagination: { has_more: boolean; next_cursor: string | null };
  /** The server no longer has what happened before. */
  gap?: boolean | null;
}

/** What failed in an instance, or in a run of a workflow in Python. */
export interface ListedError {
  /** That of the event in the history of the instance. */
  id: string;
  timestamp: string;
  instance_id: string;
  workflow_name: string;
  version_id: string | null;
  namespace: string;
  /** Where; of a workflow in Python, the name of the step. */
  state: string | null;
  thread_id: string | null;
  code: string;
  message: string;
  /** Whether it ended the instance. */
  fatal: boolean;
}

/** One page of what failed, the newest first. */
export interface ErrorPage {
  errors: ListedError[];
  pagination: { has_more: boolean; next_cursor: string | null };
}

/** Which errors; what isn't there is no filter. Times are in ISO 8601. */
export interface ErrorFilter {
  since?: string;
  until?: string;
  workflowName?: string;
  code?: string;
  namespace?: string;
}

/** What is sent, at most once. */
export interface EffectOptions {
  /** The same key again, within a day, gives the same answer. */
  idempotencyKey?: string;
  /** How long the server waits for it to halt or end, in seconds; 30 unless told otherwise. */
  wait?: number;
}

/** What an instance is started with. */
export interface CreateOptions extends EffectOptions {
  namespace?: string;
  /** What it is about: no two active instances of a workflow have the same. */
  businessKey?: string;
  /** Another version than the current one; a draft, to try it, where one may write definitions. */
  versionId?: string;
}

/** The halt that a resume is for, and no other. */
export interface ResumeOptions extends EffectOptions {
  expectedState?: string;
  haltId?: string;
  /** Its `halted_digest`: what this was decided on. */
  digest?: string;
}

/** Which instances are listed. */
export interface InstanceFilter {
  namespace?: string;
  workflowName?: string;
  status?: InstanceStatus;
  businessKey?: string;
  /** How many at most, the newest; 50 by default. */
  limit?: number;
}

/** Which events of an instance are listed. */
export interface HistoryFilter {
  types?: readonly HistoryEventType[];
  /** ISO times. */
  since?: string;
  until?: string;
  thread?: string;
  includeData?: boolean;
}

/** How an instance is waited for. */
export interface WaitOptions {
  /** One of these, or the end; without any, until it halts or ends. */
  status?: InstanceStatus | readonly InstanceStatus[];
  /** In milliseconds; for ever by default. */
  timeout?: number;
  signal?: AbortSignal;
}

/** What tells where a run stands: the client. */
export interface Watcher {
  watch(runId: string): Watch;
  unwatch(watch: Watch): void;
}

type Reference = string | Pick<Instance, "id" | "halt_id" | "threads">;

const ENDED: readonly InstanceStatus[] = ["completed", "failed", "cancelled"];
/** How many instances are asked for at a time. */
const PAGE = 200;
const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 2_000;

const STATUS_OF: Readonly<Record<RunStatus, InstanceStatus>> = {
  PENDING: "running",
  RUNNING: "running",
  PAUSED: "halted",
  COMPLETED: "completed",
  ERROR: "failed",
  CANCELLED: "cancelled",
};

/** The instances that this user may see; `Client.instances`. */
export class Instances {
  readonly #rest: Rest;
  readonly #watcher: Watcher;

  /** @internal */
  constructor(rest: Rest, watcher: Watcher) {
    this.#rest = rest;
    this.#watcher = watcher;
  }

  /**
   * Starts an instance of the published version, or of the one that is named. Resolves when it halts or ends, or as it stands by then.
   *
   * Rejects with an `InterlockError`: `workflow_not_found`, `workflow_not_published`, …; or, where it was started and
   * failed, `script_error`, `http_error`, …, with its id as `runId`.
   */
  create(workflowName: string, input: InstanceInput = {}, options: CreateOptions = {}): Promise<Instance> {
    const { namespace, businessKey, versionId, idempotencyKey, wait } = options;
    const body = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(businessKey === undefined ? {} : { business_key: businessKey }),
      ...(versionId === undefined ? {} : { version_id: versionId }),
      input,
    };
    return this.#effect(path("workflows", workflowName, "instances"), body, { idempotencyKey, wait });
  }

  /** Starts a new instance in the state in which this one failed, with the data that it had. Resolves as `create` does. */
  retry(instance: Reference, options: EffectOptions = {}): Promise<Instance> {
    return this.#effect(of(instance, "retry"), {}, options);
  }

  /** An instance as it stands now. */
  get(instance: Reference): Promise<Instance> {
    return this.#rest.send({ method: "GET", path: of(instance) });
  }

  /** The instances that fit, the newest first, without their data. */
  list({ namespace, workflowName, status, businessKey, limit = 50 }: InstanceFilter = {}): Promise<Instance[]> {
    const query = {
      namespace,
      workflow_name: workflowName,
      status,
      business_key: businessKey,
      limit: Math.min(limit, PAGE),
    };
    return this.#rest.list({ method: "GET", path: path("workflows", "instances"), query }, "instances", limit);
  }

  /**
   * Gives a halted instance what it waits for: the values of its form or, in selection mode, `{ choice: key }`. Resolves
   * when it halts again or ends, or as it stands by then.
   *
   * Rejects with an `InterlockError`: `invalid_input` (with `fields`), `invalid_transition`, `instance_not_halted`,
   * `concurrent_modification`, …: nothing was changed; or it went on and failed.
   */
  resume(instance: Reference, input: InstanceInput = {}, options: ResumeOptions = {}): Promise<Instance> {
    const shown = typeof instance === "string" ? undefined : instance;
    return this.#effect(of(instance, "resume"), resumption(input, options, shown), options);
  }

  /** Gives one thread what it waits for; as `resume`. */
  resumeThread(
    instance: Reference,
    thread: string | MachineThread,
    input: InstanceInput = {},
    options: ResumeOptions = {},
  ): Promise<Instance> {
    const threads = typeof instance === "string" ? [] : (instance.threads ?? []);
    const shown = typeof thread === "string" ? threads.find((each) => each.id === thread) : thread;
    const where = of(instance, "threads", typeof thread === "string" ? thread : thread.id, "resume");
    return this.#effect(where, resumption(input, options, shown), options);
  }

  /** The threads of an instance. */
  async threads(instance: Reference): Promise<MachineThread[]> {
    const call = { method: "GET", path: of(instance, "threads") } as const;
    return (await this.#rest.send<{ threads: MachineThread[] }>(call)).threads;
  }

  /** Cancels an instance; one that is cancelled already stays so. Rejects with `instance_not_active` where it ended otherwise. */
  cancel(instance: Reference, reason?: string): Promise<Instance> {
    const body = reason === undefined ? {} : { reason };
    return this.#rest.send({ method: "POST", path: of(instance, "cancel"), body, repeatable: true });
  }

  // ── What happened ───────────────────────────────────────────────────────────────────────────────────

  /** One page of what happened; `cursor` is the `next_cursor` of the page before. */
  history(
    instance: Reference,
    {
      types,
      since,
      until,
      thread,
      includeData,
      limit,
      cursor,
    }: HistoryFilter & { limit?: number; cursor?: string } = {},
  ): Promise<HistoryPage> {
    const query = {
      types: types && types.length > 0 ? types.join(",") : undefined,
      since,
      until,
      thread,
      include_data: includeData ? "true" : undefined,
      limit,
      cursor,
    };
    return this.#rest.send({ method: "GET", path: of(instance, "history"), query });
  }

  /** Everything that happened, page after page. */
  async *events(instance: Reference, filter: HistoryFilter = {}): AsyncGenerator<HistoryEvent, void, undefined> {
    let cursor: string | null = null;
    do {
      const page: HistoryPage = await this.history(instance, { ...filter, ...(cursor === null ? {} : { cursor }) });
      yield* page.events;
      cursor = page.pagination.has_more ? page.pagination.next_cursor : null;
    } while (cursor !== null);
  }

  /** One event. */
  event(instance: Reference, eventId: string, { includeData = false } = {}): Promise<HistoryEvent> {
    const query = { include_data: includeData ? "true" : undefined };
    return this.#rest.send({ method: "GET", path: of(instance, "events", eventId), query });
  }

  /**
   * One page of what failed in all instances, and in runs of other workflows, the newest first; `cursor` is the
   * `next_cursor` of the page before.
   */
  errors({ workflowName, ...filter }: ErrorFilter & { limit?: number; cursor?: string } = {}): Promise<ErrorPage> {
    const query = { ...filter, workflow_name: workflowName };
    return this.#rest.send({ method: "GET", path: path("workflows", "errors"), query });
  }

  // ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The instance once it stands as wanted, or has ended. Rejects with `timeout`, or what `signal` was aborted with; with
   * `instance_not_found`; and with what ended the client.
   */
  async waitFor(instance: Reference, { status, timeout, signal }: WaitOptions = {}): Promise<Instance> {
    const wanted = new Set<InstanceStatus>([
      ...ENDED,
      ...(status === undefined ? ["halted" as const] : [status].flat()),
    ]);
    const watch = this.#watcher.watch(idOf(instance));
    const over = ending(timeout, signal);
    try {
      for (let looks = 0; ;) {
        const found = await Promise.race([this.get(instance), over.promise]);
        if (wanted.has(found.status)) return found;
        // The socket may tell of a halt just before HTTP shows it: then the next look is a moment later.
        const isAhead = wanted.has(STATUS_OF[watch.status]);
        const change = isAhead ? pause(Math.min(FIRST_LOOK_MS * 2 ** looks, LONGEST_LOOK_MS)) : until(watch, wanted);
        looks = isAhead ? looks + 1 : 0;
        await Promise.race([change, over.promise]);
      }
    } finally {
      over.cancel();
      this.#watcher.unwatch(watch);
    }
  }

  #effect(
    where: string,
    body: JsonValue,
    { idempotencyKey, wait }: { [K in keyof EffectOptions]: EffectOptions[K] | undefined },
  ): Promise<Instance> {
    const call: Call = { method: "POST", path: where, body, key: idempotencyKey ?? newKey(), wait };
    return this.#rest.send(call);
  }
}

function idOf(instance: Reference): string {
  return typeof instance === "string" ? instance : instance.id;
}

function of(instance: Reference, ...parts: string[]): string {
  return path("workflows", "instances", idOf(instance), ...parts);
}

/** The body of a resume, for the halt that was shown unless another one is named. */
function resumption(input: InstanceInput, options: ResumeOptions, shown: Halt | undefined): JsonValue {
  const isShown = options.haltId === undefined || options.haltId === shown?.halt_id;
  const haltId = options.haltId ?? shown?.halt_id;
  const digest = options.digest ?? (isShown ? shown?.halted_digest : undefined);
  return {
    input,
    ...(options.expectedState === undefined ? {} : { expected_state: options.expectedState }),
    ...(haltId === undefined || haltId === null ? {} : { halt_id: haltId }),
    ...(digest === undefined || digest === null ? {} : { digest }),
  };
}

/** Resolves when the run stands as wanted; rejects when that will never be known. */
function until(watch: Watch, wanted: ReadonlySet<InstanceStatus>): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (wanted.has(STATUS_OF[watch.status])) resolve();
      else if (watch.failure !== null) reject(watch.failure);
      else return;
      end();
    };
    const end = watch.subscribe(look);
    look();
  });
}

/** What rejects when it is time to give up, and what ends that. */
function ending(
  timeout: number | undefined,
  signal: AbortSignal | undefined,
): { promise: Promise<never>; cancel: () => void } {
  let cancel: () => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    const aborted = () => reject(signal?.reason as Error);
    const late = () => reject(new InterlockError("timeout", "The instance doesn't stand as wanted yet."));
    const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    cancel = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
  });
  promise.catch(() => undefined);
  return { promise, cancel };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
