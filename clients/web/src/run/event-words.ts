/**
 * What an event says, in one line.
 *
 * Laws:
 * - Pure, and cheap: it is made of the rows that can be seen, each time they are.
 * - An event that isn't known says its fields.
 */

import { isKnown, type JsonValue, type RunMessage, type StepPaused } from "@interlock/client";
import { asksOf, decisionOf, delegationOf, escalationOf, reminderOf } from "../pauses/words.ts";
import { durationOf, lineOf } from "../ui/format.ts";

const BASE: ReadonlySet<string> = new Set([
  "event",
  "event_index",
  "epoch",
  "created_at",
  "workflow_id",
  "workflow_name",
  "run_id",
  "session_id",
  "step_id",
  "step_name",
  "step_index",
  "step_path",
  "visit",
  "parent_step_id",
  "nested_depth",
]);

/** The line of an event. */
export function wordsOf(message: RunMessage): string {
  if (!isKnown(message)) return lineOf(ownFields(message));
  switch (message.event) {
    case "WorkflowStarted":
      return lineOf(message.input);
    case "RunResponseContentEvent":
    case "WorkflowCompleted":
      return lineOf(message.content);
    case "StepCompleted":
      return `${durationOf(message.duration_ms)} · ${lineOf(message.content)}`;
    case "StepError":
    case "WorkflowError":
      return `${message.error_type}: ${lineOf(message.error)}`;
    case "StepContinued":
    case "StepExecutorContinued":
      return `${decisionOf(message.decision, null)} by ${message.resolved_by}`;
    case "StepPaused":
      return pauseOf(message);
    case "SignalReceived":
      return [message.topic, lineOf(message.payload), `by ${message.sent_by}`].filter(Boolean).join(" · ");
    case "InteractionReminded":
      return reminderOf(message);
    case "InteractionEscalated":
      return escalationOf(message);
    case "InteractionDelegated":
      return [delegationOf(message), message.reason].filter(Boolean).join(": ");
    case "WorkflowRunOutput":
      return message.status;
    case "StateChanged":
      return `${message.from_state} → ${message.to_state} · ${message.trigger}`;
    case "ThreadStarted":
    case "ThreadCompleted":
    case "MachineExecutionCompleted":
      return message.state;
    case "WorkflowCancelled":
      return [message.cancelled_by, message.reason].filter(Boolean).join(": ");
    case "CustomEvent":
      return `${message.name} ${lineOf(message.data)}`;
    case "ToolCallStarted":
    case "ToolCallCompleted":
    case "ToolCallError":
      return message.tool.tool_name ?? "";
    default:
      return lineOf(ownFields(message));
  }
}

function pauseOf(event: StepPaused): string {
  const message = event.confirmation_message ?? event.user_input_message ?? event.output_review_message;
  const flag = Object.entries(event).find(([name, value]) => name.startsWith("requires_") && value === true);
  return [asksOf(flag?.[0] ?? ""), lineOf(message)].filter(Boolean).join(": ");
}

/** What an event has beside what all have. */
export function ownFields(message: RunMessage): Record<string, JsonValue> {
  const all = Object.entries(message as unknown as Record<string, JsonValue>);
  return Object.fromEntries(all.filter(([name]) => !BASE.has(name)));
}
