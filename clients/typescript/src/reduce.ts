/**
 * The reducer: a run's view and its next event, to the view after it.
 *
 * Laws:
 * - Pure. The same events in the same order make the same view, whoever received them and however often they came: an
 *   event that is in the view already changes nothing.
 * - It never fails. An event that it doesn't know is listed, and moves the place.
 * - Each event costs about the same, however long the run is.
 * - A snapshot replaces everything but the log.
 */

import type { Gap, RunEvent, StepContinued, StepExecutorContinued, WorkflowRunOutput } from "./protocol.js";
import { isFinal, isKnown, isSnapshot, type RunMessage, type Snapshot } from "./events.js";
import { attended, paused, resolved, responded, wholly } from "./pending.js";
import {
  asked,
  called,
  changed,
  closed,
  completed,
  ended,
  erred,
  interrupted,
  keyOf,
  opened,
  started,
  stopped,
  withdrawn,
  written,
  type StepEvent,
} from "./steps.js";
import type { Pending, RunView, StepType, StepView } from "./view.js";
import { unknownRun } from "./view.js";

/** The view after `event`. */
export function applyEvent(view: RunView, event: RunMessage): RunView {
  if (event.event === "gap") return gone(view, event as Gap);
  const message = event as Exclude<RunMessage, Gap>;
  if (isSnapshot(message)) return snapped(view, message);
  if (isKnown(message)) return isNews(view, message) ? next(view, message) : view;
  return isNews(view, message) ? { ...moved(view, message), unknown: view.unknown.push(message) } : view;
}

/** The view after several events. */
export function applyEvents(view: RunView, events: Iterable<RunMessage>): RunView {
  let after = view;
  for (const event of events) after = applyEvent(after, event);
  return after;
}

function isNews(view: RunView, event: { epoch: number; event_index?: number }): boolean {
  if (view.lastIndex === null || view.epoch === null) return true;
  return event.epoch > view.epoch || (event.epoch === view.epoch && (event.event_index ?? 0) > view.lastIndex);
}

type At = { epoch: number; event_index?: number } & RunMessage;

function moved(view: RunView, event: At): RunView {
  return { ...view, epoch: event.epoch, lastIndex: event.event_index ?? view.lastIndex, log: view.log.push(event) };
}

function next(view: RunView, received: RunEvent): RunView {
  const event = placed(received);
  const fold = FOLDS[event.event] as ((view: RunView, event: RunEvent) => RunView) | undefined;
  const after = introduced(moved(view, event), event);
  return { ...(fold ? fold(after, event) : after), prelude: isPrelude(event) ? event : null };
}

/** The event with a path and a visit, if it is of a step: an older server, or a proxy, may have left them out. */
function placed(event: RunEvent): RunEvent {
  const fields: object = event;
  if (!("step_name" in fields) || "step_path" in fields) return event;
  return { visit: 1, step_index: 0, ...event, step_path: [fields.step_name] } as RunEvent;
}

function isPrelude(event: RunEvent): boolean {
  return event.event === "StepExecutorPaused" || event.event === "StepOutputReview" || event.event === "StepError";
}

/** The view with what every event says of its run. */
function introduced(view: RunView, event: RunEvent): RunView {
  if (view.workflowId !== null && view.status !== "PENDING") return view;
  return {
    ...view,
    workflowId: event.workflow_id,
    workflowName: event.workflow_name ?? view.workflowName,
    sessionId: event.session_id ?? view.sessionId,
    status: view.status === "PENDING" ? "RUNNING" : view.status,
  };
}

/** Nothing that was known of the run's events counts any more; a snapshot follows. */
function gone(view: RunView, gap: Gap): RunView {
  const before = gap.next_event_index - 1;
  const forgotten = unknownRun(view.runId, view.log.push(gap));
  const { workflowId, workflowName, sessionId, status } = view;
  const place = { epoch: gap.epoch, lastIndex: before >= 0 ? before : null, snapshotAsOf: before };
  return { ...forgotten, workflowId, workflowName, sessionId, status, ...place };
}

function snapped(view: RunView, snapshot: Snapshot): RunView {
  const clean: RunView = {
    ...unknownRun(view.runId, view.log.push(snapshot)),
    workflowId: snapshot.workflow_id,
    workflowName: snapshot.workflow_name ?? null,
    sessionId: snapshot.session_id ?? null,
    epoch: snapshot.epoch,
    lastIndex: snapshot.as_of >= 0 ? snapshot.as_of : null,
    snapshotAsOf: snapshot.as_of,
  };
  return told(clean, snapshot);
}

/** What a `WorkflowRunOutput` says: where the run stands, and all that it waits for. */
function told(view: RunView, output: WorkflowRunOutput): RunView {
  const pending = wholly(output);
  let steps = view.steps;
  for (const each of pending) steps = changed(steps, each.requirement, (step) => asked(step, typeOf(each)));
  const after: RunView = { ...view, status: output.status, pending, steps };
  if (!isFinal(output.status)) return after;
  return { ...finished(after, output.status, output.created_at), output: output.content ?? null };
}

function typeOf(pending: Pending): { step_type?: StepType } {
  return pending.kind === "error_decision" || !pending.requirement.step_type
    ? {}
    : { step_type: pending.requirement.step_type };
}

function finished(view: RunView, status: RunView["status"], at: number): RunView {
  return { ...view, status, endedAt: at, pending: [], steps: stopped(view.steps, at) };
}

/** The view with a change of the step that the event is about. */
function inStep(view: RunView, event: StepEvent, change: (step: StepView) => StepView): RunView {
  return { ...view, steps: changed(view.steps, event, change) };
}

/** The same, of a step that ends with it: it waits for nobody any more. */
function ending(view: RunView, event: StepEvent, change: (step: StepView) => StepView): RunView {
  const key = keyOf(event.step_path, event.visit);
  const waits = (each: Pending) => keyOf(each.requirement.step_path, each.requirement.visit) === key;
  const pending = view.pending.some(waits) ? view.pending.filter((each) => !waits(each)) : view.pending;
  return { ...inStep(view, event, change), pending };
}

function decided(view: RunView, event: StepContinued | StepExecutorContinued): RunView {
  const asked = view.pending.find((each) => each.id === event.requirement_id);
  const pending = resolved(view.pending, event);
  const waits = pending.some((each) => each.id === event.requirement_id);
  const decision = {
    index: event.event_index,
    requirementId: event.requirement_id,
    stepKey: keyOf(event.step_path, event.visit),
    stepName: event.step_name,
    kind: asked?.kind ?? null,
    decision: event.decision,
    resolvedBy: event.resolved_by,
    resolvedAt: event.resolved_at,
  };
  const goesOn = (step: StepView): StepView => ({ ...step, state: step.startedAt === null ? "waiting" : "running" });
  const after = waits ? view : inStep(view, event, goesOn);
  return { ...after, status: "RUNNING", pending, decisions: view.decisions.push(decision) };
}

type Folds = { [E in RunEvent as E["event"]]?: (view: RunView, event: E) => RunView };

function opens<E extends StepEvent>(type: StepType, facts: (event: E) => Partial<StepView> = () => ({})) {
  return (view: RunView, event: E): RunView =>
    inStep(view, event, (step) => ({ ...opened(step, type, event.created_at), ...facts(event) }));
}

function closes(view: RunView, event: StepEvent): RunView {
  return ending(view, event, (step) => closed(step, event.created_at));
}

/** What each event does. Those that aren't here only move the place, or are the prelude of a `StepPaused`. */
const FOLDS: Folds = {
  WorkflowStarted: (view, event) => ({
    ...view,
    status: "RUNNING",
    startedAt: event.created_at,
    input: event.input ?? null,
    userId: event.user_id ?? null,
    namespace: event.namespace ?? null,
    version: event.version ?? null,
  }),
  StepStarted: (view, event) => inStep(view, event, (step) => started(step, event)),
  RunResponseContentEvent: (view, event) => inStep(view, event, (step) => written(step, event)),
  StepCompleted: (view, event) => ending(view, event, (step) => completed(step, event)),
  StepSkipped: (view, event) =>
    ending(view, event, (step) => ({ ...ended(step, "skipped", event.created_at), skipReason: event.reason })),
  StepError: (view, event) => inStep(view, event, (step) => erred(step, event)),
  StepPaused: (view, event) => {
    const pending = paused(event, view.prelude);
    const others = view.pending.filter((each) => each.id !== pending.id);
    return { ...inStep(view, event, (step) => asked(step, typeOf(pending))), pending: [...others, pending] };
  },
  WorkflowRunOutput: told,
  InteractionClaimed: (view, event) => ({ ...view, pending: attended(view.pending, event) }),
  InteractionReleased: (view, event) => ({ ...view, pending: attended(view.pending, event) }),
  InteractionDelegated: (view, event) => ({ ...view, pending: attended(view.pending, event) }),
  InteractionEscalated: (view, event) => ({ ...view, pending: attended(view.pending, event) }),
  InteractionResponded: (view, event) => ({ ...view, pending: responded(view.pending, event) }),
  StepContinued: decided,
  StepExecutorContinued: decided,
  LoopExecutionStarted: opens("Loop", (event) => ({ loop: { iteration: 0, max: event.max_iterations } })),
  LoopIterationStarted: opens("Loop", (event) => ({ loop: { iteration: event.iteration, max: event.max_iterations } })),
  LoopExecutionCompleted: closes,
  ParallelExecutionStarted: opens("Parallel"),
  ParallelExecutionCompleted: closes,
  PortsExecutionStarted: opens("Ports"),
  PortsExecutionCompleted: closes,
  GraphExecutionStarted: opens("Graph"),
  GraphExecutionCompleted: closes,
  RaceExecutionStarted: opens("Race"),
  RaceExecutionCompleted: (view, event) =>
    ending(view, event, (step) => ({
      ...closed(step, event.created_at),
      selected: event.winner ? [event.winner] : [],
    })),
  MachineExecutionStarted: opens("Machine"),
  ThreadStarted: opens("Thread", (event) => ({ selected: [event.state] })),
  StateChanged: (view, event) => {
    const thread = view.steps.latest([...event.step_path, event.thread_id]);
    return thread ? { ...view, steps: view.steps.with({ ...thread, selected: [event.to_state] }) } : view;
  },
  ThreadCompleted: (view, event) =>
    ending(view, event, (step) => ({ ...closed(step, event.created_at), selected: [event.state] })),
  MachineExecutionCompleted: closes,
  StepsWithdrawn: (view, event) => {
    const gone = new Set(event.requirement_ids);
    const pending = view.pending.filter((each) => !gone.has(each.id));
    return { ...view, pending, steps: withdrawn(view.steps, event) };
  },
  ConditionExecutionStarted: opens("Condition", (event) => ({ selected: event.branch ? [event.branch] : [] })),
  ConditionExecutionCompleted: closes,
  RouterExecutionStarted: opens("Router", (event) => ({ selected: event.selected_steps })),
  RouterExecutionCompleted: closes,
  StepsExecutionStarted: opens("Steps"),
  StepsExecutionCompleted: closes,
  ToolCallStarted: (view, event) => inStep(view, event, (step) => called(step, event)),
  ToolCallCompleted: (view, event) => inStep(view, event, (step) => called(step, event)),
  ToolCallError: (view, event) => inStep(view, event, (step) => called(step, event)),
  WorkflowRecovered: (view, event) => ({
    ...view,
    status: "RUNNING",
    recoveries: view.recoveries + 1,
    steps: interrupted(view.steps, event),
  }),
  SignalReceived: (view, event) => (event.resumes ? { ...view, status: "RUNNING" } : view),
  CustomEvent: (view, event) => inStep(view, event, (step) => ({ ...step, custom: step.custom.push(event) })),
  WorkflowCompleted: (view, event) => ({
    ...finished(view, "COMPLETED", event.created_at),
    output: event.content ?? null,
    metrics: event.metrics,
  }),
  WorkflowCancelled: (view, event) => ({
    ...finished(view, "CANCELLED", event.created_at),
    cancelled: { reason: event.reason ?? null, by: event.cancelled_by ?? null },
  }),
  WorkflowError: (view, event) => ({
    ...finished(view, "ERROR", event.created_at),
    error: { message: event.error, type: event.error_type, stepId: event.step_id ?? null },
  }),
};
