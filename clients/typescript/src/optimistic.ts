/**
 * A run as it will be when the decisions that are under way are accepted.
 *
 * Laws:
 * - Pure. What was answered here isn't shown as waiting any more; where nothing else waits, the run counts as running.
 * - What several decide still waits when one of them has answered.
 * - It says nothing that the server hasn't been asked for: without answers under way, it is the view itself.
 */

import type { ExecutorRequirement } from "./protocol.js";
import { waitingTools, type Pending, type RunView } from "./view.js";

/** The view, without what was answered: the ids of requirements, and of tools in them. */
export function expecting(view: RunView, answered: ReadonlySet<string>): RunView {
  if (answered.size === 0) return view;
  const pending = view.pending.flatMap((each) => without(each, answered) ?? []);
  if (pending.length === view.pending.length && pending.every((each, at) => each === view.pending[at])) return view;
  const goesOn = view.status === "PAUSED" && pending.length === 0;
  return { ...view, pending, status: goesOn ? "RUNNING" : view.status };
}

function without(pending: Pending, answered: ReadonlySet<string>): Pending | null {
  const takesVotes = pending.kind !== "error_decision" && pending.requirement.voters !== undefined;
  if (answered.has(pending.id)) return takesVotes ? pending : null;
  if (pending.kind === "error_decision") return pending;
  const tools = pending.requirement.executor_requirements;
  if (!tools?.some((tool) => answered.has(tool.id))) return pending;
  const left = tools.filter((tool: ExecutorRequirement) => !answered.has(tool.id));
  const kept: Pending = { ...pending, requirement: { ...pending.requirement, executor_requirements: left } };
  return waitingTools(kept).length > 0 ? kept : null;
}
