/**
 * What comes of a run, and how to tell what it is.
 *
 * Laws:
 * - An event that this version doesn't know is an event all the same: it has a place in the run's order.
 * - A `WorkflowRunOutput` with `event_index` is an event of the run; without it, it is a snapshot.
 */

import type { Gap, JsonValue, RunEvent, RunStatus, ServerMessage, WorkflowRunOutput } from "./protocol.js";

/** A run event that this version doesn't know, with its place and whatever else it has. */
export interface UnknownEvent {
  event: string;
  event_index: number;
  epoch: number;
  run_id: string;
  [field: string]: JsonValue;
}

/** What a follower of a run gets: its events in order, and where events were lost, a `gap` and a snapshot. */
export type RunMessage = RunEvent | Gap | UnknownEvent;

/** The present state of a run, in the place of events. */
export type Snapshot = WorkflowRunOutput & { as_of: number };

/** Anything the server may send, also with a name that this version doesn't know. */
export type Received = ServerMessage | UnknownEvent;

const FINAL_EVENTS: ReadonlySet<string> = new Set(["WorkflowCompleted", "WorkflowCancelled", "WorkflowError"]);
const FINAL_STATUSES: ReadonlySet<RunStatus> = new Set<RunStatus>(["COMPLETED", "CANCELLED", "ERROR"]);

/** Every run event that this version knows; the compiler sees to it that it is complete. */
const KNOWN: Record<RunEvent["event"], true> = {
  WorkflowStarted: true,
  StepStarted: true,
  RunResponseContentEvent: true,
  StepCompleted: true,
  StepSkipped: true,
  StepError: true,
  RouterPaused: true,
  StepExecutorPaused: true,
  StepOutputReview: true,
  StepPaused: true,
  WorkflowRunOutput: true,
  InteractionResponded: true,
  InteractionClaimed: true,
  InteractionReleased: true,
  InteractionDelegated: true,
  InteractionReminded: true,
  InteractionEscalated: true,
  StepContinued: true,
  StepExecutorContinued: true,
  LoopExecutionStarted: true,
  LoopIterationStarted: true,
  LoopIterationCompleted: true,
  LoopExecutionCompleted: true,
  ParallelExecutionStarted: true,
  ParallelExecutionCompleted: true,
  RaceExecutionStarted: true,
  RaceExecutionCompleted: true,
  PortsExecutionStarted: true,
  PortsExecutionCompleted: true,
  GraphExecutionStarted: true,
  GraphExecutionCompleted: true,
  MachineExecutionStarted: true,
  ThreadStarted: true,
  StateDataMerged: true,
  StateChanged: true,
  ThreadCompleted: true,
  MachineExecutionCompleted: true,
  StepsWithdrawn: true,
  ConditionExecutionStarted: true,
  ConditionExecutionCompleted: true,
  RouterExecutionStarted: true,
  RouterExecutionCompleted: true,
  StepsExecutionStarted: true,
  StepsExecutionCompleted: true,
  ToolCallStarted: true,
  ToolCallCompleted: true,
  ToolCallError: true,
  WorkflowRecovered: true,
  SignalReceived: true,
  CustomEvent: true,
  WorkflowCompleted: true,
  WorkflowCancelled: true,
  WorkflowError: true,
};

/** Whether nothing follows this event. */
export function isFinalEvent(message: { event: string }): boolean {
  return FINAL_EVENTS.has(message.event);
}

/** Whether a run with this status has ended for good. */
export function isFinal(status: RunStatus): boolean {
  return FINAL_STATUSES.has(status);
}

/** Whether this version knows the event. */
export function isKnown(message: RunMessage): message is RunEvent {
  return Object.hasOwn(KNOWN, message.event);
}

/** Whether this is the present state in the place of events. */
export function isSnapshot(message: { event: string }): message is Snapshot {
  return message.event === "WorkflowRunOutput" && !("event_index" in message);
}

/** The index of a run event; undefined for everything else. */
export function indexOf(message: { event: string }): number | undefined {
  const index = "event_index" in message ? message.event_index : undefined;
  return typeof index === "number" && Number.isInteger(index) ? index : undefined;
}

/** The run that a message is about, also when this version doesn't know the message. */
export function runOf(message: { event: string }): string | undefined {
  const found = "run_id" in message ? message.run_id : undefined;
  return typeof found === "string" ? found : undefined;
}
