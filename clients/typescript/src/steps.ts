/**
 * What events say of the steps of a run.
 *
 * Laws:
 * - A step is entered with the first event of it; its ancestors that no event told of are entered with it, by their names.
 * - What a step streams is added to; a new attempt begins it anew, an interruption takes back what it makes void.
 * - Each function costs the same however many steps and pieces there are, but for `interrupted` and `stopped`, which
 *   look at every step, and come once in a while.
 */

import type {
  RunEvent,
  RunResponseContentEvent,
  StepCompleted,
  StepError,
  StepRequirement,
  StepStarted,
  StepsWithdrawn,
  ToolCallCompleted,
  ToolCallError,
  ToolCallStarted,
  WorkflowRecovered,
} from "./protocol.js";
import { List } from "./persistent.js";
import type { Attempt, StepState, StepType, StepView, ToolCall } from "./view.js";
import type { Steps } from "./view.js";

type Path = readonly (string | number)[];

/** Where a step is: what its events and its requirements have alike. */
export interface Place {
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
}

/** An event of a step. */
export type StepEvent = Extract<RunEvent, Place>;

/** What finds a step. */
export function keyOf(path: Path, visit: number): string {
  return `${JSON.stringify(path)}#${visit}`;
}

/** The step at a place, and the steps with it: entered now, if it wasn't. */
export function entered(steps: Steps, place: Place): [Steps, StepView] {
  const known = find(steps, place);
  if (known !== undefined) return [steps, known.stepId === place.step_id ? known : { ...known, ...identity(place) }];
  const parentPath = parentOf(place.step_path);
  const [within, parent] = parentPath === null ? [steps, null] : ancestor(steps, parentPath);
  const step = fresh(place, parent?.key ?? null);
  return [within.added(step), step];
}

/** The step at a place; of one that was drawn up from its path, the visit isn't known before its own first event. */
function find(steps: Steps, place: Place): StepView | undefined {
  const exact = steps.get(keyOf(place.step_path, place.visit));
  if (exact !== undefined) return exact;
  const latest = steps.latest(place.step_path);
  return latest?.stepId === "" || latest?.visit === place.visit ? latest : undefined;
}

function identity(place: Place): Pick<StepView, "stepId" | "index" | "visit"> {
  return { stepId: place.step_id, index: place.step_index, visit: place.visit };
}

/** The node that others are in; drawn up from its path where no event told of it. */
function ancestor(steps: Steps, path: Path): [Steps, StepView] {
  const known = steps.latest(path);
  if (known !== undefined) return [steps, known];
  const name = String(path.at(-1));
  const [within, step] = entered(steps, {
    step_id: "",
    step_name: name,
    step_index: 0,
    step_path: [...path],
    visit: 1,
  });
  const begun: StepView = { ...step, state: "running" };
  return [within.with(begun), begun];
}

/** The path without the last name, and without the iteration before it. */
function parentOf(path: Path): Path | null {
  const end = typeof path.at(-2) === "number" ? -2 : -1;
  return path.length + end > 0 ? path.slice(0, end) : null;
}

function fresh(place: Place, parent: string | null): StepView {
  const before = place.step_path.at(-2);
  return {
    key: keyOf(place.step_path, place.visit),
    ...identity(place),
    name: place.step_name,
    path: place.step_path,
    iteration: typeof before === "number" ? before : null,
    parent,
    children: List.of(),
    type: null,
    state: "waiting",
    attempts: List.of(),
    startedAt: null,
    endedAt: null,
    durationMs: null,
    text: "",
    pieces: List.of(),
    content: undefined,
    contentType: null,
    toolCalls: List.of(),
    custom: List.of(),
    error: null,
    skipReason: null,
    loop: null,
    selected: [],
  };
}

/** The steps, with one changed. */
export function changed(steps: Steps, place: Place, change: (step: StepView) => StepView): Steps {
  const [within, step] = entered(steps, place);
  return within.with(change(step));
}

/** A step whose executor begins, for the first time or again. */
export function started(step: StepView, event: StepStarted): StepView {
  const attempt: Attempt = { number: event.attempt, startedAt: event.created_at, endedAt: null, error: null };
  return {
    ...step,
    state: "running",
    attempts: step.attempts.push(attempt),
    startedAt: step.startedAt ?? event.created_at,
    text: "",
    pieces: List.of(),
    error: null,
  };
}

/** A step that has written something more. */
export function written(step: StepView, event: RunResponseContentEvent): StepView {
  return {
    ...step,
    text: typeof event.content === "string" ? step.text + event.content : step.text,
    pieces: step.pieces.push({ index: event.event_index, content: event.content }),
  };
}

/** A step that has its output, which takes the place of what was streamed. */
export function completed(step: StepView, event: StepCompleted): StepView {
  return {
    ...ended(step, "completed", event.created_at),
    durationMs: event.duration_ms,
    content: event.content ?? null,
    contentType: event.content_type,
    text: typeof event.content === "string" ? event.content : step.text,
  };
}

/** A step whose executor has failed; whether it is tried again is for what follows to say. */
export function erred(step: StepView, event: StepError): StepView {
  const error = { message: event.error, type: event.error_type };
  const state = event.will_retry ? "waiting" : "failed";
  return { ...step, state, error, attempts: attemptEnded(step.attempts, event.created_at, error) };
}

/** A step that goes no further. */
export function ended(step: StepView, state: StepState, at: number): StepView {
  return { ...step, state, endedAt: at, attempts: attemptEnded(step.attempts, at, null) };
}

function attemptEnded(attempts: List<Attempt>, at: number, error: Attempt["error"]): List<Attempt> {
  const last = attempts.at(-1);
  if (last?.endedAt !== null) return attempts;
  return attempts.with(attempts.length - 1, { ...last, endedAt: at, error });
}

/** A node with others in it, which begins. */
export function opened(step: StepView, type: StepType, at: number): StepView {
  return { ...step, type, state: "running", startedAt: step.startedAt ?? at };
}

/** A node with others in it, which has ended. */
export function closed(step: StepView, at: number): StepView {
  return { ...ended(step, "completed", at), durationMs: step.startedAt === null ? null : at - step.startedAt };
}

/** What the requirement of a step says of it. */
export function asked(step: StepView, requirement: Partial<Pick<StepRequirement, "step_type">>): StepView {
  return { ...step, type: requirement.step_type ?? step.type, state: "paused" };
}

/** A step with a tool call that began or ended. */
export function called(step: StepView, event: ToolCallStarted | ToolCallCompleted | ToolCallError): StepView {
  const id = event.tool.tool_call_id ?? null;
  const name = event.tool.tool_name ?? "tool";
  if (event.event === "ToolCallStarted") {
    const call: ToolCall = { id, name, state: "running", startedAt: event.created_at, endedAt: null, tool: event.tool };
    return { ...step, toolCalls: step.toolCalls.push(call) };
  }
  const state = event.event === "ToolCallCompleted" ? "completed" : "failed";
  const place = openCall(step.toolCalls, id, name);
  const begun = place < 0 ? undefined : step.toolCalls.at(place);
  const call: ToolCall = {
    id,
    name,
    state,
    startedAt: begun?.startedAt ?? event.created_at,
    endedAt: event.created_at,
    tool: { ...begun?.tool, ...event.tool },
  };
  return { ...step, toolCalls: begun ? step.toolCalls.with(place, call) : step.toolCalls.push(call) };
}

/** Where the call is that runs; -1 if there is none. */
function openCall(calls: List<ToolCall>, id: string | null, name: string): number {
  for (let place = calls.length - 1; place >= 0; place--) {
    const call = calls.at(place);
    if (call?.state === "running" && (id === null ? call.name === name : call.id === id)) return place;
  }
  return -1;
}

/** The steps after a takeover: what was interrupted begins anew, and what it streamed meanwhile is void. */
export function interrupted(steps: Steps, event: WorkflowRecovered): Steps {
  const ids = new Set(event.interrupted_steps);
  let left = steps;
  for (const step of steps) {
    if (!ids.has(step.stepId) || step.state !== "running") continue;
    const pieces = List.from([...step.pieces].filter((piece) => piece.index < event.from_event_index));
    const text = [...pieces].reduce((sum, { content }) => (typeof content === "string" ? sum + content : sum), "");
    const attempts = attemptEnded(step.attempts, event.created_at, null);
    left = left.with({ ...step, state: "interrupted", pieces, text, attempts });
  }
  return left;
}

/** The steps of a run that has ended: none of them goes on. */
export function stopped(steps: Steps, at: number): Steps {
  let left = steps;
  for (const step of steps) if (isOpen(step)) left = left.with(ended(step, "stopped", at));
  return left;
}

/** The steps that their container has given up, and all in them: none of them goes on. */
export function withdrawn(steps: Steps, event: StepsWithdrawn): Steps {
  let left = steps;
  for (const step of steps) {
    const isIn = (path: StepsWithdrawn["step_paths"][number]) => path.every((part, at) => step.path[at] === part);
    if (isOpen(step) && event.step_paths.some(isIn)) left = left.with(ended(step, "stopped", event.created_at));
  }
  return left;
}

function isOpen(step: StepView): boolean {
  return step.endedAt === null && step.state !== "failed";
}
