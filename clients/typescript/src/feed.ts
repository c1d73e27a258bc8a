/**
 * The messages of live lists, written by hand: they aren't in the protocol's schema yet.
 *
 * TODO once `follow-runs` is in docs/schema/interlock.schema.json: take these from protocol.ts, and delete this file.
 */

import type { RunStatus, StepRequirement } from "./protocol.js";

/** What a PAUSED run waits for, summed up. `kind` is the name of the one flag that is true. */
export interface PendingSummary {
  id: string;
  step_id: string;
  step_name: string;
  kind: string;
  step_type?: StepRequirement["step_type"];
  assignees?: string[];
  confirmation_message?: string;
  user_input_message?: string;
  output_review_message?: string;
  error_message?: string;
  timeout_at?: string;
}

/** A run's row. Times are in milliseconds since 1970. */
export interface RunSummary {
  run_id: string;
  workflow_id: string;
  version: string | null;
  session_id: string;
  user_id: string;
  status: RunStatus;
  epoch: number;
  created_at: number;
  updated_at: number;
  pending: PendingSummary[];
}

/** Which runs a list is of. What isn't given, and an empty `status`, asks for any. */
export interface RunFilter {
  workflow_id?: string;
  status?: RunStatus[];
  waiting_for_me?: boolean;
}

/** Sends the runs of a list as they are, then every change. With `cursor`, only the changes after that `seq`. */
export interface FollowRuns {
  action: "follow-runs";
  list: string;
  filter: RunFilter;
  cursor?: number;
  limit?: number;
  request_id?: string;
}

/** Ends a list. */
export interface UnfollowRuns {
  action: "unfollow-runs";
  list: string;
  request_id?: string;
}

/** A run is on the list, or (`matches` false) isn't any more. In the current list, `seq` is 0. */
export interface RunChanged {
  event: "run_changed";
  list: string;
  seq: number;
  matches: boolean;
  run: RunSummary;
  pending: PendingSummary[];
}

/** The list is told up to `seq`: the current list, or (`resumed`) what was missed. What follows is live. */
export interface RunsListed {
  event: "runs_listed";
  list: string;
  seq: number;
  count: number;
  more: boolean;
  resumed: boolean;
  request_id?: string;
}

/** A message of a live list. */
export type ListMessage = RunChanged | RunsListed;

/** Whether a message belongs to a live list. */
export function isListMessage(message: { event: string }): message is ListMessage {
  return message.event === "run_changed" || message.event === "runs_listed";
}
