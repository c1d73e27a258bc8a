/**
 * What a follower knows about a run: the state that the reducer, `applyEvent`, makes of its events.
 *
 * Laws:
 * - Nothing here is ever changed. What an event doesn't touch is the same object before and after it.
 * - A view is as of `lastIndex`: never ahead of what was received, and never behind it.
 * - A view that began with a snapshot doesn't know what happened before.
 */

import type {
  CustomEvent,
  ErrorRequirement,
  ExecutorRequirement,
  JsonValue,
  RunEvent,
  RunStatus,
  StepRequirement,
  ToolExecution,
  WorkflowCompleted,
} from "./protocol.js";
import type { UnknownEvent } from "./events.js";
import { EventLog } from "./log.js";
import { Dict, List } from "./persistent.js";

/** What kind of node of a workflow a step is. */
export type StepType = StepRequirement["step_type"];

/**
 * Where a step stands. `waiting`: it hasn't begun. `paused`: it waits for a person. `interrupted`: its process died, and
 * another one begins it anew. `stopped`: the run ended before it did.
 */
export type StepState =
  "waiting" | "running" | "paused" | "completed" | "skipped" | "failed" | "interrupted" | "stopped";

/** One piece of streamed content, and the index of its event. */
export interface Piece {
  readonly index: number;
  readonly content: JsonValue;
}

/** One try of a step. Times are in milliseconds since 1970. */
export interface Attempt {
  readonly number: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly error: Failure | null;
}

/** What went wrong. */
export interface Failure {
  readonly message: string;
  readonly type: string;
}

/** A call of a tool by an agent in a step. */
export interface ToolCall {
  readonly id: string | null;
  readonly name: string;
  readonly state: "running" | "completed" | "failed";
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** As the server tells it: arguments, result, and whatever the framework adds. */
  readonly tool: ToolExecution;
}

/** One visit of a step, a loop, a branch or another node of the workflow. */
export interface StepView {
  /** What finds it in `Steps.get`: its path and its visit. */
  readonly key: string;
  readonly stepId: string;
  readonly name: string;
  readonly path: readonly (string | number)[];
  /** Its position among its siblings. */
  readonly index: number;
  readonly visit: number;
  /** Of a step directly in a loop, which iteration it belongs to. */
  readonly iteration: number | null;
  /** The key of the node that it is in; null at the top. */
  readonly parent: string | null;
  /** The keys of the nodes in it, in the order in which they were first heard of. */
  readonly children: List<string>;
  /** Null while only a plain event of it is known. */
  readonly type: StepType | null;
  readonly state: StepState;
  readonly attempts: List<Attempt>;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly durationMs: number | null;
  /** What it has written so far; once it is completed with a text, that text. */
  readonly text: string;
  /** The pieces of `text`, and those that aren't text. */
  readonly pieces: List<Piece>;
  /** Its output; undefined until it is completed. */
  readonly content: JsonValue | undefined;
  readonly contentType: string | null;
  readonly toolCalls: List<ToolCall>;
  readonly custom: List<CustomEvent>;
  readonly error: Failure | null;
  readonly skipReason: string | null;
  /** Of a loop: the iteration that it is in, and the most that it may take. */
  readonly loop: { readonly iteration: number; readonly max: number } | null;
  /** Of a router, the selected routes; of a condition, its branch; of a thread of a machine, the state that it is in. */
  readonly selected: readonly string[];
}

/** The steps of a run, in the order in which they were first heard of. */
export class Steps implements Iterable<StepView> {
  static readonly none = new Steps(List.of(), List.of(), Dict.of(), Dict.of());

  /** The keys of all steps. */
  readonly keys: List<string>;
  /** The keys of those at the top. */
  readonly roots: List<string>;
  readonly #byKey: Dict<StepView>;
  /** The key of the latest visit, by path. */
  readonly #byPath: Dict<string>;

  private constructor(keys: List<string>, roots: List<string>, byKey: Dict<StepView>, byPath: Dict<string>) {
    this.keys = keys;
    this.roots = roots;
    this.#byKey = byKey;
    this.#byPath = byPath;
  }

  get length(): number {
    return this.keys.length;
  }

  get(key: string): StepView | undefined {
    return this.#byKey.get(key);
  }

  /** The latest visit of the node at a path. */
  latest(path: readonly (string | number)[]): StepView | undefined {
    const key = this.#byPath.get(JSON.stringify(path));
    return key === undefined ? undefined : this.get(key);
  }

  /** The steps directly in `parent`; those at the top for null. */
  childrenOf(parent: StepView | null): StepView[] {
    const keys = parent === null ? this.roots : parent.children;
    return keys.slice().flatMap((key) => this.get(key) ?? []);
  }

  /** These steps, with `step` in the place of the one with its key. */
  with(step: StepView): Steps {
    return new Steps(this.keys, this.roots, this.#byKey.with(step.key, step), this.#byPath);
  }

  /** These steps and a new one, which is entered with its parent. */
  added(step: StepView): Steps {
    const parent = step.parent === null ? undefined : this.get(step.parent);
    const byKey = parent
      ? this.#byKey.with(parent.key, { ...parent, children: parent.children.push(step.key) })
      : this.#byKey;
    return new Steps(
      this.keys.push(step.key),
      parent ? this.roots : this.roots.push(step.key),
      byKey.with(step.key, step),
      this.#byPath.with(JSON.stringify(step.path), step.key),
    );
  }

  *[Symbol.iterator](): Generator<StepView> {
    for (const key of this.keys) {
      const step = this.get(key);
      if (step) yield step;
    }
  }
}

/** What kind of answer a pause wants. */
export type PauseKind =
  | "confirmation"
  | "user_input"
  | "route_selection"
  | "output_review"
  | "iteration_review"
  | "executor_input"
  | "error_decision"
  | "signal"
  | "response"
  | "interaction";

/** A requirement of a step; `step_type` isn't known before the whole of it is. */
export type KnownRequirement = Omit<StepRequirement, "step_type"> & Partial<Pick<StepRequirement, "step_type">>;

/**
 * One thing that the run waits for. `requirement` is the server's own object once it is `whole`; before that, from the
 * `StepPaused` until the `WorkflowRunOutput` that follows, it is what that event says, which is enough to answer it.
 */
export type Pending =
  | {
      readonly kind: Exclude<PauseKind, "error_decision">;
      readonly id: string;
      readonly whole: boolean;
      readonly requirement: KnownRequirement;
    }
  | {
      readonly kind: "error_decision";
      readonly id: string;
      readonly whole: boolean;
      readonly requirement: ErrorRequirement;
    };

/** What somebody decided, as its event tells it. */
export interface DecisionView {
  readonly index: number;
  readonly requirementId: string;
  readonly stepKey: string;
  readonly stepName: string;
  readonly kind: PauseKind | null;
  /** The fields that a client owns, as they were given. */
  readonly decision: Readonly<Record<string, JsonValue>>;
  /** A user's id, or `timeout`. */
  readonly resolvedBy: string;
  /** In milliseconds since 1970. */
  readonly resolvedAt: number;
}

/** A run, as far as it is known. Made by `initialView`, and from then on by `applyEvent`. */
export interface RunView {
  readonly runId: string;
  readonly workflowId: string | null;
  readonly workflowName: string | null;
  readonly sessionId: string | null;
  /** Who started it. */
  readonly userId: string | null;
  /** Where it is in its account. */
  readonly namespace: string | null;
  readonly version: string | null;
  /** What it was started with; undefined while that isn't known. */
  readonly input: JsonValue | undefined;
  readonly status: RunStatus;
  readonly epoch: number | null;
  /** The index of the last event in this view; null before the first. */
  readonly lastIndex: number | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly steps: Steps;
  /** What the run waits for and nobody has answered: steps and errors. */
  readonly pending: readonly Pending[];
  readonly decisions: List<DecisionView>;
  /** What it came to, once it is COMPLETED. */
  readonly output: JsonValue | undefined;
  readonly metrics: WorkflowCompleted["metrics"] | null;
  /** Why it failed, with the step where it did, if it did in one. */
  readonly error: (Failure & { readonly stepId: string | null }) | null;
  readonly cancelled: { readonly reason: string | null; readonly by: string | null } | null;
  /** How often another process took the run over. */
  readonly recoveries: number;
  /** The index up to which a snapshot stands for the events; null when the view has all of them. */
  readonly snapshotAsOf: number | null;
  /** Events that this version doesn't know. */
  readonly unknown: List<UnknownEvent>;
  /** What came, in order. */
  readonly log: EventLog;
  /** The event before, where it says more about the pause that comes next. For the reducer. */
  readonly prelude: RunEvent | null;
}

/** What a view is made with. */
export interface ViewOptions {
  /** How many events its log keeps at least, or `"complete"` for all. 10,000 by default. */
  log?: number | "complete";
}

/** A run of which nothing is known yet. */
export function initialView(runId: string, options: ViewOptions = {}): RunView {
  const limit = options.log === "complete" ? Infinity : (options.log ?? 10_000);
  return unknownRun(runId, EventLog.empty(limit));
}

/** A run of which nothing is known but what came. */
export function unknownRun(runId: string, log: EventLog): RunView {
  return {
    runId,
    workflowId: null,
    workflowName: null,
    sessionId: null,
    userId: null,
    namespace: null,
    version: null,
    input: undefined,
    status: "PENDING",
    epoch: null,
    lastIndex: null,
    startedAt: null,
    endedAt: null,
    steps: Steps.none,
    pending: [],
    decisions: List.of(),
    output: undefined,
    metrics: null,
    error: null,
    cancelled: null,
    recoveries: 0,
    snapshotAsOf: null,
    unknown: List.of(),
    log,
    prelude: null,
  };
}

/** What a step shows: what it wrote, or its output as JSON where that isn't text. */
export function textOf(step: StepView): string {
  if (step.content === undefined || step.content === null || typeof step.content === "string") return step.text;
  return JSON.stringify(step.content, null, 2);
}

/** The tool calls of an agent's pause that nobody has decided yet. */
export function waitingTools(pending: Pending): readonly ExecutorRequirement[] {
  if (pending.kind === "error_decision") return [];
  return (pending.requirement.executor_requirements ?? []).filter((tool) => !isDecided(tool));
}

function isDecided(tool: ExecutorRequirement): boolean {
  const answered = tool.user_feedback_schema?.some((each) => "selected_options" in each) ?? false;
  const filled = tool.user_input_schema?.some((field) => field.value !== null) ?? false;
  const given = tool.external_execution_result !== undefined; // null is a result
  return typeof tool.confirmation === "boolean" || given || filled || answered;
}
