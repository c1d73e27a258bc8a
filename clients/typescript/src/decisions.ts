/**
 * What a person decides, and the message that says so.
 *
 * Laws:
 * - What is sent back is what finds the requirement, and the decision. The server reads nothing else.
 * - Whether a decision fits its requirement is for the server to judge.
 */

import type { ContinueWorkflow, EchoedErrorRequirement, EchoedRequirement, JsonValue } from "./protocol.js";
import type { DecidedExecutorRequirement } from "./protocol.js";
import type { Pending } from "./view.js";

/** What a rejection may do; a requirement says which of these it allows. */
export type OnReject = "skip" | "cancel" | "else" | "retry";

/** A yes or no: to a confirmation or a review. */
export interface Verdict {
  confirmed: boolean;
  /** What a no does; without it, what the workflow says. */
  on_reject?: OnReject;
  rejection_feedback?: string;
  /** Of a review: what takes the place of the output, null included; where it is left out, the output stays. */
  edited_output?: JsonValue;
}

/** A form, filled in: each value by the name of its field. What is left out takes its default. */
export interface Filled {
  user_input: Record<string, JsonValue>;
}

/** The routes that are selected. */
export interface Selected {
  selected_choices: string[];
}

/** The response to an interaction: `confirmed`, `selected` or `value`, as its mode says, and perhaps a `comment`. */
export interface Responded {
  response: Record<string, JsonValue>;
}

/** What was done in a widget: one of its events, and the event's data. */
export interface Interacted {
  interaction_event: string;
  interaction_data?: Record<string, JsonValue>;
}

/** Decisions about tools of an agent, of one or several of them. */
export interface Tools {
  executor_requirements: DecidedExecutorRequirement[];
}

/** What becomes of a step that failed. */
export interface ErrorDecision {
  decision: "retry" | "skip" | "cancel";
  /** With a retry of a step that had asked for input: its form, filled in anew. */
  user_input?: Record<string, JsonValue>;
}

/** An answer to a requirement; which one fits is told by its kind. */
export type Decision = Verdict | Filled | Selected | Responded | Interacted | Tools | ErrorDecision;

/** A decision, and what it is about. */
export interface Decided {
  /** The requirement's id. */
  id: string;
  decision: Decision;
  /** That of the requirement, as it was shown: what was decided on. */
  digest?: string;
}

type Parts = Pick<ContinueWorkflow, "step_requirements" | "error_requirements">;

/** For whom an admin decides, of those whom a pause names, and why; others need neither. */
export interface OnBehalf {
  readonly onBehalfOf: string;
  readonly reason: string;
}

/** The part of a `continue-workflow` that says for whom it is decided. */
export function behalfOf(behalf: OnBehalf | undefined): { on_behalf_of?: string; reason?: string } {
  return behalf === undefined ? {} : { on_behalf_of: behalf.onBehalfOf, reason: behalf.reason };
}

/** The part of a `continue-workflow` that says what was decided. */
export function parts(decided: readonly Decided[]): Parts {
  const steps: EchoedRequirement[] = [];
  const errors: EchoedErrorRequirement[] = [];
  for (const { id, decision, digest } of decided) {
    const named = digest === undefined ? { id } : { id, digest };
    if ("decision" in decision) errors.push({ ...named, ...decision });
    else steps.push({ ...named, ...decision });
  }
  return {
    ...(steps.length > 0 ? { step_requirements: steps } : {}),
    ...(errors.length > 0 ? { error_requirements: errors } : {}),
  };
}

/** The ids of what is answered by a decision: its tools, or the requirement itself. */
export function answeredBy({ id, decision }: Decided): string[] {
  return "executor_requirements" in decision ? decision.executor_requirements.map((tool) => tool.id) : [id];
}

/** Whether what is decided has a field that nobody is to read: it is written to no storage. */
export function hasSecret(pending: readonly Pending[], decided: readonly Decided[]): boolean {
  const asked = pending.filter((each) => decided.some(({ id }) => id === each.id));
  return /"(?:secret|writeOnly)":true/.test(JSON.stringify(asked));
}
