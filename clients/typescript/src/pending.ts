/**
 * What a run waits for, as its events tell it.
 *
 * Laws:
 * - A pause is known from its `StepPaused`, and wholly from the `WorkflowRunOutput` that follows.
 * - What resolves a pause removes it; what resolves some tools of a pause marks these as decided.
 * - A step that has ended waits for nobody.
 */

import type {
  ErrorRequirement,
  ExecutorRequirement,
  InteractionClaimed,
  InteractionDelegated,
  InteractionEscalated,
  InteractionReleased,
  InteractionResponded,
  JsonValue,
  RequirementResponse,
  RunEvent,
  StepContinued,
  StepError,
  StepExecutorContinued,
  StepPaused,
  StepRequirement,
  WorkflowRunOutput,
} from "./protocol.js";
import type { KnownRequirement, PauseKind, Pending } from "./view.js";
import { waitingTools } from "./view.js";

type StepKind = Exclude<PauseKind, "error_decision">;

const KINDS: readonly StepKind[] = [
  "confirmation",
  "user_input",
  "route_selection",
  "output_review",
  "iteration_review",
  "executor_input",
  "signal",
  "response",
  "interaction",
];

/** Everything that a `WorkflowRunOutput` says is pending. */
export function wholly(output: WorkflowRunOutput): readonly Pending[] {
  const steps = (output.step_requirements ?? []).map(required);
  const errors = (output.error_requirements ?? []).map(failed);
  return [...steps, ...errors];
}

function required(requirement: StepRequirement): Pending {
  return { kind: kindOf(requirement), id: requirement.id, whole: true, requirement };
}

function failed(requirement: ErrorRequirement): Pending {
  return { kind: "error_decision", id: requirement.id, whole: true, requirement };
}

/** The kind of the one flag that is true. */
export function kindOf(asked: StepPaused | KnownRequirement): StepKind {
  return KINDS.find((kind) => asked[`requires_${kind}`]) ?? "confirmation";
}

/** A pause as its first event tells it, with what the event before it says (`prelude`). */
export function paused(event: StepPaused, prelude: RunEvent | null): Pending {
  const before = prelude && "step_id" in prelude && prelude.step_id === event.step_id ? prelude : null;
  const id = event.requirement_id;
  if (event.requires_error_decision) {
    const requirement = errorRequirement(event, before?.event === "StepError" ? before : null);
    return { kind: "error_decision", id, whole: false, requirement };
  }
  return { kind: kindOf(event), id, whole: false, requirement: stepRequirement(event, before) };
}

function stepRequirement(event: StepPaused, before: RunEvent | null): KnownRequirement {
  const { event: _event, event_index: _index, epoch: _epoch, created_at: _at, ...fields } = event;
  const { requirement_id: id, requires_error_decision: _error, ...asked } = fields;
  const { workflow_id: _id, workflow_name: _name, run_id: _run, session_id: _session, ...step } = asked;
  const { parent_step_id: _parent, nested_depth: _depth, ...requirement } = step;
  const more: Partial<KnownRequirement> = {};
  if (before?.event === "StepExecutorPaused") more.executor_requirements = before.executor_requirements;
  if (before?.event === "StepOutputReview") {
    if (before.step_output !== undefined) more.step_output = before.step_output;
    if (before.success !== undefined) more.success = before.success;
    if (before.error !== undefined) more.error = before.error;
  }
  return { ...requirement, ...more, id };
}

function errorRequirement(event: StepPaused, error: StepError | null): ErrorRequirement {
  return {
    id: event.requirement_id,
    step_id: event.step_id,
    step_name: event.step_name,
    step_index: event.step_index,
    step_path: event.step_path,
    visit: event.visit,
    error_message: error?.error ?? "",
    error_type: error?.error_type ?? "",
    retry_count: error ? error.attempt - 1 : 0,
    ...(event.user_input_schema === undefined ? {} : { user_input_schema: event.user_input_schema }),
    ...(event.digest === undefined ? {} : { digest: event.digest }),
    ...(event.bind === undefined ? {} : { bind: event.bind }),
    ...(event.timeout_at === undefined ? {} : { timeout_at: event.timeout_at }),
    ...(event.on_timeout === undefined ? {} : { on_timeout: event.on_timeout }),
  };
}

/** The pauses after one of several responses; one that came too late changes nothing. */
export function responded(pending: readonly Pending[], event: InteractionResponded): readonly Pending[] {
  if (event.late) return pending;
  return pending.map((each) => {
    if (each.id !== event.requirement_id || each.kind === "error_decision") return each;
    const others = (each.requirement.responses ?? []).filter((given) => given.voter !== event.voter);
    const response: RequirementResponse = {
      voter: event.voter,
      by: event.responded_by,
      at: event.responded_at,
      decision: event.decision,
      ...(event.on_behalf_of === undefined ? {} : { on_behalf_of: event.on_behalf_of }),
      ...(event.reason === undefined ? {} : { reason: event.reason }),
    };
    return {
      ...each,
      requirement: { ...each.requirement, needed: event.needed, responses: [...others, response] },
    };
  });
}

/** What happens to a pause without deciding it. */
type Attended = InteractionClaimed | InteractionReleased | InteractionDelegated | InteractionEscalated;

/** The pauses after one was claimed, released, handed over, or others are asked as well. All but the first end a claim;
 * who stands in for somebody doesn't. */
export function attended(pending: readonly Pending[], event: Attended): readonly Pending[] {
  return pending.map((each) => (each.id === event.requirement_id ? noted(each, event) : each));
}

function noted(asked: Pending, event: Attended): Pending {
  if (event.event === "InteractionDelegated" && event.absent) {
    return { ...asked, requirement: { ...asked.requirement, assignees: event.assignees } } as Pending;
  }
  const { claim: _before, ...requirement } = asked.requirement;
  const now =
    event.event === "InteractionClaimed"
      ? { claim: { by: event.claimed_by, since: event.since, until: event.until } }
      : event.event === "InteractionReleased"
        ? {}
        : { assignees: event.assignees };
  return { ...asked, requirement: { ...requirement, ...now } } as Pending;
}

/** What is left after a pause, or some tools of it, was resolved. */
export function resolved(
  pending: readonly Pending[],
  event: StepContinued | StepExecutorContinued,
): readonly Pending[] {
  return pending.flatMap((each) => (each.id === event.requirement_id ? (left(each, event.decision) ?? []) : each));
}

function left(pending: Pending, decision: Record<string, JsonValue>): Pending | null {
  const decided = decidedTools(decision);
  if (decided.size === 0 || pending.kind === "error_decision") return null;
  const tools = (pending.requirement.executor_requirements ?? []).map((tool): ExecutorRequirement => {
    const answer = decided.get(tool.id);
    return answer ? { ...tool, ...answer } : tool;
  });
  const kept: Pending = { ...pending, requirement: { ...pending.requirement, executor_requirements: tools } };
  const open = waitingTools(kept).filter((tool) => !decided.has(tool.id));
  return open.length > 0 ? kept : null;
}

/** The tools that a decision is about, with what was decided of each; none when it is about the whole pause. */
function decidedTools(decision: Record<string, JsonValue>): Map<string, Record<string, JsonValue>> {
  const found = new Map<string, Record<string, JsonValue>>();
  const tools = decision["executor_requirements"];
  for (const each of Array.isArray(tools) ? tools : []) {
    if (typeof each !== "object" || each === null || Array.isArray(each)) continue;
    if (typeof each["id"] === "string") found.set(each["id"], each);
  }
  return found;
}
