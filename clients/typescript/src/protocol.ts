/**
 * The messages of the protocol. Generated from docs/schema/interlock.schema.json by `npm run generate`; not to be edited.
 *
 * A receiver ignores fields and events that it doesn't know, so that a newer server may send more than is here.
 */

/** Any value of JSON. */
export type JsonValue = null | boolean | number | string | JsonValue[] | {[key: string]: JsonValue};

/**
 * One message of a connection. A receiver ignores fields and events it doesn't know.
 */
export type Message = ClientMessage | ControlMessage | RunEvent | ServerMessage;
export type ClientMessage =
  | Authenticate
  | StartWorkflow
  | ContinueWorkflow
  | Reconnect
  | CancelWorkflow
  | SendSignal
  | Claim
  | Release
  | Delegate
  | Unfollow
  | FollowRuns
  | UnfollowRuns
  | FollowInbox
  | UnfollowInbox
  | Respond
  | Seen
  | Draft
  | Ping;
/**
 * Where a run stands. The last three are final.
 */
export type RunStatus = "PENDING" | "RUNNING" | "PAUSED" | "COMPLETED" | "CANCELLED" | "ERROR";
export type ControlMessage =
  | Connected
  | Authenticated
  | AuthError
  | AuthRequired
  | CatchUp
  | Replay
  | Subscribed
  | Gap
  | RunChanged
  | RunsListed
  | InboxChanged
  | InboxListed
  | InboxDraft
  | InboxPresence
  | Ack
  | Pong
  | ErrorMessage;
export type RunEvent =
  | WorkflowStarted
  | StepStarted
  | RunResponseContentEvent
  | StepCompleted
  | StepSkipped
  | StepError
  | RouterPaused
  | StepExecutorPaused
  | StepOutputReview
  | StepPaused
  | WorkflowRunOutput
  | InteractionResponded
  | InteractionClaimed
  | InteractionReleased
  | InteractionDelegated
  | InteractionReminded
  | InteractionEscalated
  | StepContinued
  | StepExecutorContinued
  | LoopExecutionStarted
  | LoopIterationStarted
  | LoopIterationCompleted
  | LoopExecutionCompleted
  | ParallelExecutionStarted
  | ParallelExecutionCompleted
  | RaceExecutionStarted
  | RaceExecutionCompleted
  | GraphExecutionStarted
  | GraphExecutionCompleted
  | PortsExecutionStarted
  | PortsExecutionCompleted
  | MachineExecutionStarted
  | ThreadStarted
  | StateDataMerged
  | StateChanged
  | ThreadCompleted
  | MachineExecutionCompleted
  | StepsWithdrawn
  | ConditionExecutionStarted
  | ConditionExecutionCompleted
  | RouterExecutionStarted
  | RouterExecutionCompleted
  | StepsExecutionStarted
  | StepsExecutionCompleted
  | ToolCallStarted
  | ToolCallCompleted
  | ToolCallError
  | WorkflowRecovered
  | SignalReceived
  | CustomEvent
  | WorkflowCompleted
  | WorkflowCancelled
  | WorkflowError;
export type ServerMessage = ControlMessage | RunEvent;

/**
 * Proves who the client is; may be sent again to refresh an expiring token.
 */
export interface Authenticate {
  action: "authenticate";
  request_id?: string | null;
  token: string;
}
/**
 * Starts a run and follows it from index 0. Without a `namespace` it is in its owner's own. No two active runs of a
 * workflow have the same `business_key`.
 */
export interface StartWorkflow {
  action: "start-workflow";
  request_id?: string | null;
  workflow_id: string;
  message?: JsonValue;
  session_id?: string | null;
  user_id?: string | null;
  namespace?: string | null;
  version?: string | null;
  business_key?: string | null;
  idempotency_key?: string | null;
}
/**
 * Merges decisions into a run that waits for them; applied whole or not at all. What names those who decide, an
 * admin decides only `on_behalf_of` one of them, with a `reason`.
 */
export interface ContinueWorkflow {
  action: "continue-workflow";
  request_id?: string | null;
  workflow_id: string;
  run_id: string;
  session_id?: string | null;
  step_requirements?: EchoedRequirement[] | null;
  error_requirements?: EchoedErrorRequirement[] | null;
  on_behalf_of?: string | null;
  reason?: string | null;
  idempotency_key?: string | null;
}
/**
 * A requirement as it comes back: what finds it, the kind it claims to be, and the decision.
 *
 * Everything else that is echoed is ignored, changed or not.
 */
export interface EchoedRequirement {
  id?: string | null;
  step_id?: string | null;
  visit?: JsonValue;
  requires_confirmation?: JsonValue;
  requires_user_input?: JsonValue;
  requires_route_selection?: JsonValue;
  requires_output_review?: JsonValue;
  requires_iteration_review?: JsonValue;
  requires_executor_input?: JsonValue;
  requires_response?: JsonValue;
  digest?: string | null;
  requires_interaction?: JsonValue;
  confirmed?: boolean | null;
  on_reject?: string | null;
  rejection_feedback?: string | null;
  user_input?: {
    [k: string]: JsonValue;
  } | null;
  user_input_schema?: DecidedField[] | null;
  selected_choices?: string[] | null;
  edited_output?: JsonValue;
  executor_requirements?: DecidedExecutorRequirement[] | null;
  response?: {
    [k: string]: JsonValue;
  } | null;
  interaction_event?: string | null;
  interaction_data?: {
    [k: string]: JsonValue;
  } | null;
}
/**
 * The client's part of a form field: which one, and the value.
 */
export interface DecidedField {
  name: string;
  value?: JsonValue;
}
/**
 * The client's part of an executor requirement.
 */
export interface DecidedExecutorRequirement {
  id: string;
  confirmation?: boolean | null;
  confirmation_note?: string | null;
  user_input_schema?: DecidedField[] | null;
  user_feedback_schema?: DecidedQuestion[] | null;
  external_execution_result?: JsonValue;
  edited_args?: {
    [k: string]: JsonValue;
  } | null;
}
/**
 * The client's part of a question of a tool: which one, and the options selected.
 */
export interface DecidedQuestion {
  question?: string | null;
  selected_options?: JsonValue[] | null;
}
/**
 * An error requirement as it comes back; `user_input` goes with a `retry`.
 */
export interface EchoedErrorRequirement {
  id?: string | null;
  step_id?: string | null;
  digest?: string | null;
  decision?: ("retry" | "skip" | "cancel") | null;
  user_input?: {
    [k: string]: JsonValue;
  } | null;
}
/**
 * Replays what was missed, then follows.
 */
export interface Reconnect {
  action: "reconnect";
  request_id?: string | null;
  run_id: string;
  workflow_id?: string | null;
  session_id?: string | null;
  last_event_index?: number | null;
  epoch?: number | null;
  snapshot?: boolean;
}
/**
 * Cancels a running or paused run; a cancelled one again is acknowledged.
 */
export interface CancelWorkflow {
  action: "cancel-workflow";
  request_id?: string | null;
  workflow_id: string;
  run_id: string;
  session_id?: string | null;
  reason?: string | null;
  idempotency_key?: string | null;
}
/**
 * Sends a signal to a run, which takes it when something in it waits for one of that topic.
 */
export interface SendSignal {
  action: "signal";
  request_id?: string | null;
  run_id: string;
  topic: string;
  payload?: JsonValue;
  idempotency_key?: string | null;
}
/**
 * Says that the user is on a requirement, so that nobody else decides it: for 15 minutes, until it is said again,
 * and for 2 hours at most.
 */
export interface Claim {
  action: "claim";
  request_id?: string | null;
  interaction_id?: string | null;
  run_id?: string;
  requirement_id?: string;
}
/**
 * Gives up a claim; an admin may give up that of somebody else.
 */
export interface Release {
  action: "release";
  request_id?: string | null;
  interaction_id?: string | null;
  run_id?: string;
  requirement_id?: string;
}
/**
 * Hands a requirement over to somebody else: a user id, or `group:NAME`. Both stand behind the decision.
 */
export interface Delegate {
  action: "delegate";
  request_id?: string | null;
  interaction_id?: string | null;
  run_id?: string;
  requirement_id?: string;
  to: string;
  reason?: string | null;
}
/**
 * Stops following a run, which goes on.
 */
export interface Unfollow {
  action: "unfollow";
  request_id?: string | null;
  run_id: string;
}
/**
 * Follows a list of runs; the same `list` again takes the place of the one before.
 */
export interface FollowRuns {
  action: "follow-runs";
  request_id?: string | null;
  list?: string;
  filter?: RunListFilter;
  cursor?: number | null;
  limit?: number;
}
/**
 * Which runs a list is of. What isn't given, and an empty `status`, asks for any.
 */
export interface RunListFilter {
  workflow_id?: string | null;
  session_id?: string | null;
  namespace?: string | null;
  status?: RunStatus[] | null;
  waiting_for_me?: boolean | null;
}
/**
 * Stops following a list of runs.
 */
export interface UnfollowRuns {
  action: "unfollow-runs";
  request_id?: string | null;
  list?: string;
}
/**
 * Follows the questions that wait for an answer by this user; the same `list` again takes the place of the one
 * before.
 */
export interface FollowInbox {
  action: "follow-inbox";
  request_id?: string | null;
  list?: string;
  filter?: InboxFilter;
  cursor?: number | null;
  limit?: number;
}
/**
 * Which questions an inbox is of: all that one may answer, those that are for oneself, or for one's groups.
 */
export interface InboxFilter {
  scope?: ("mine" | "groups" | "all") | null;
  workflow_id?: string | null;
  namespace?: string | null;
  kind?: string | null;
}
/**
 * Stops following an inbox.
 */
export interface UnfollowInbox {
  action: "unfollow-inbox";
  request_id?: string | null;
  list?: string;
}
/**
 * Answers a question by its address: an interaction by its response, any other by the fields of its decision.
 */
export interface Respond {
  action: "respond";
  request_id?: string | null;
  interaction_id: string;
  response: {
    [k: string]: JsonValue;
  };
  on_behalf_of?: string | null;
  reason?: string | null;
  idempotency_key?: string | null;
}
/**
 * Says that this user has a question before them, which is noted once; and, with `looking`, whether they look at
 * it from now on, until they look away or the connection ends.
 */
export interface Seen {
  action: "seen";
  request_id?: string | null;
  interaction_id: string;
  looking?: boolean | null;
}
/**
 * Keeps a half-written answer for this user's other devices, of at most 16 KiB; the highest revision stays. Without
 * content it is thrown away.
 */
export interface Draft {
  action: "draft";
  request_id?: string | null;
  interaction_id: string;
  revision: number;
  content?: JsonValue;
}
/**
 * Asks for a `pong`.
 */
export interface Ping {
  action: "ping";
  request_id?: string | null;
}
/**
 * The first frame after accept. `heartbeat_seconds` are between the server's WebSocket pings.
 */
export interface Connected {
  event: "connected";
  message: string;
  requires_auth: boolean;
  protocol: string;
  connection_id: string;
  heartbeat_seconds: number;
  max_message_bytes: number;
}
/**
 * A token was accepted. `expires_at` is ISO 8601, absent for a token that doesn't expire.
 *
 * `namespaces` are those that are the user's; `*` first says that all of the account are. `groups` are those the user
 * is in.
 */
export interface Authenticated {
  event: "authenticated";
  message: string;
  user_id: string;
  scopes: string[];
  account?: string;
  namespaces?: string[];
  groups?: string[];
  expires_at?: string;
  request_id?: string;
}
/**
 * A token was refused.
 */
export interface AuthError {
  event: "auth_error";
  error: string;
  code: string;
  request_id?: string;
}
/**
 * An action came before authentication, or the token expired.
 */
export interface AuthRequired {
  event: "auth_required";
  error: string;
  code: string;
  request_id?: string;
}
/**
 * Answer to `reconnect`: the run isn't finished, and `missed_events` follow. `message` says so to people.
 */
export interface CatchUp {
  event: "catch_up";
  message?: string;
  run_id: string;
  status: RunStatus;
  epoch: number;
  missed_events: number;
  first_event_index: number;
  current_event_count: number;
  request_id?: string;
}
/**
 * Answer to `reconnect`: the run is finished. What was missed follows; else its last event, marked `replayed`.
 */
export interface Replay {
  event: "replay";
  message?: string;
  run_id: string;
  status: RunStatus;
  epoch: number;
  total_events: number;
  missed_events: number;
  request_id?: string;
}
/**
 * What follows is live. `current_event_count` events came before it, also those of earlier connections.
 */
export interface Subscribed {
  event: "subscribed";
  message?: string;
  run_id: string;
  status: RunStatus;
  epoch: number;
  next_event_index: number;
  current_event_count?: number;
}
/**
 * What was asked for can't be had; a snapshot follows, then events from `next_event_index`.
 */
export interface Gap {
  event: "gap";
  run_id: string;
  epoch: number;
  requested_event_index: number;
  earliest_event_index: number;
  next_event_index: number;
  request_id?: string;
}
/**
 * A run of a followed list, as it is by now. It isn't one that is asked for, or no more, unless it `matches`.
 */
export interface RunChanged {
  event: "run_changed";
  list: string;
  seq: number;
  matches: boolean;
  run: RunSummary;
  pending: PendingSummary[];
}
/**
 * What a list says of a run. Times are in milliseconds since 1970.
 */
export interface RunSummary {
  run_id: string;
  workflow_id: string;
  version: string | null;
  session_id: string;
  user_id: string;
  namespace?: string;
  status: RunStatus;
  epoch: number;
  created_at: number;
  updated_at: number;
  pending: PendingSummary[];
}
/**
 * What a run waits for, summed up. `kind` is the name of the one flag that is true.
 */
export interface PendingSummary {
  id: string;
  step_id: string;
  step_name: string;
  kind: string;
  step_type?:
    | "Step"
    | "Router"
    | "Loop"
    | "Condition"
    | "Steps"
    | "Parallel"
    | "Workflow"
    | "Race"
    | "Graph"
    | "Ports"
    | "Machine"
    | "Thread"
    | "Halt"
    | "Wait";
  thread_id?: string;
  assignees?: string[];
  claim?: RequirementClaim;
  confirmation_message?: string;
  user_input_message?: string;
  output_review_message?: string;
  error_message?: string;
  topic?: string;
  subject?: string;
  policy?: RequirementPolicy;
  interaction?: PendingInteraction;
  due_at?: string;
  timeout_at?: string;
}
/**
 * Who is on a requirement, so that others wait. Times are in milliseconds since 1970.
 */
export interface RequirementClaim {
  by: string;
  since: number;
  until: number;
}
/**
 * How the people who are asked decide together: see `docs/approvals.md`.
 */
export interface RequirementPolicy {
  type: "first_responder" | "all_members" | "quorum" | "majority" | "unanimous" | "chain";
  n?: number | null;
  veto?: boolean | null;
}
/**
 * An interaction, summed up.
 */
export interface PendingInteraction {
  type: "approval" | "review" | "input";
  spec: PendingMode;
  title?: string | null;
  priority?: ("low" | "normal" | "high" | "urgent") | null;
}
/**
 * How an interaction is answered.
 */
export interface PendingMode {
  mode: "confirm" | "select" | "multi_select" | "input";
}
/**
 * A followed list is told up to `seq`: the current list, or (`resumed`) what was missed. What follows is live.
 */
export interface RunsListed {
  event: "runs_listed";
  list: string;
  seq: number;
  count: number;
  more: boolean;
  resumed: boolean;
  request_id?: string;
}
/**
 * A question of a followed inbox, as it is by now, or that it doesn't wait for this user any more (`gone`).
 */
export interface InboxChanged {
  event: "inbox_changed";
  list: string;
  seq: number;
  interaction_id: string;
  item?: InboxItem;
  gone?: boolean;
}
/**
 * A question that waits for this user, as a card shows it. `created_at` is its run's, in milliseconds since 1970;
 * `kind` is a flag without `requires_`, and `requirement` sums up the question as lists of runs have it.
 */
export interface InboxItem {
  interaction_id: string;
  run_id: string;
  requirement_id: string;
  workflow_id: string;
  session_id: string;
  namespace: string;
  user_id: string;
  created_at: number;
  step_name: string;
  kind: string;
  type?: ("approval" | "review" | "input") | null;
  mode?: ("confirm" | "select" | "multi_select" | "input") | null;
  title?: string | null;
  message?: string | null;
  subject?: string | null;
  priority?: ("low" | "normal" | "high" | "urgent") | null;
  assignees?: string[] | null;
  policy?: RequirementPolicy | null;
  due_at?: string | null;
  timeout_at?: string | null;
  requirement: PendingSummary;
}
/**
 * A followed inbox is told up to `seq`. What follows is live. What came before is all of it, or (`resumed`) what
 * the `changed_runs` ask by now: whatever else the client knew of these is gone, and of others it is as it was.
 */
export interface InboxListed {
  event: "inbox_listed";
  list: string;
  seq: number;
  count: number;
  more: boolean;
  resumed: boolean;
  changed_runs?: string[];
  request_id?: string;
}
/**
 * What this user has half-written on another device; without content it was thrown away.
 */
export interface InboxDraft {
  event: "inbox_draft";
  interaction_id: string;
  revision: number;
  content?: JsonValue;
}
/**
 * Who looks at a question that this connection looks at: their ids, this user's among them, 100 at most.
 */
export interface InboxPresence {
  event: "inbox_presence";
  interaction_id: string;
  people: string[];
}
/**
 * An action with a `request_id` was durably accepted.
 */
export interface Ack {
  event: "ack";
  action: string;
  request_id: string;
  run_id?: string;
  session_id?: string;
  signal_id?: string;
}
/**
 * Answer to `ping`.
 */
export interface Pong {
  event: "pong";
  request_id?: string;
}
/**
 * Something was refused; the connection stays open and nothing was changed.
 */
export interface ErrorMessage {
  event: "error";
  error: string;
  code: string;
  retryable: boolean;
  request_id?: string;
  run_id?: string;
  details?: JsonValue;
}
/**
 * The first event of every run.
 */
export interface WorkflowStarted {
  event: "WorkflowStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  input?: JsonValue;
  user_id?: string;
  version?: string;
  namespace?: string;
}
/**
 * The step's confirmation and input are there; its executor begins. A state that waits does so until `wake_at`, in
 * milliseconds since 1970.
 */
export interface StepStarted {
  event: "StepStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  attempt: number;
  wake_at?: number;
}
/**
 * A piece of streamed content: one yield of the executor.
 */
export interface RunResponseContentEvent {
  event: "RunResponseContentEvent";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  content: string;
  content_type: string;
  executor_id?: string;
  executor_name?: string;
  executor_type?: string;
}
/**
 * The step ended with an output; it is never run again.
 */
export interface StepCompleted {
  event: "StepCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  content?: JsonValue;
  content_type: string;
  step_response?: {
    [k: string]: JsonValue;
  };
  duration_ms: number;
  logs?: string[];
}
/**
 * The step ended without an output, and the workflow goes on.
 */
export interface StepSkipped {
  event: "StepSkipped";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  reason: "rejected" | "timeout" | "error" | "condition" | "unreachable";
}
/**
 * The executor failed.
 */
export interface StepError {
  event: "StepError";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  error: string;
  error_type: string;
  attempt: number;
  will_retry: boolean;
  logs?: string[];
}
/**
 * Just before the `StepPaused` of a route selection; it has what that has.
 */
export interface RouterPaused {
  event: "RouterPaused";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  requires_confirmation?: boolean;
  requires_user_input?: boolean;
  requires_route_selection?: boolean;
  requires_output_review?: boolean;
  requires_iteration_review?: boolean;
  requires_executor_input?: boolean;
  requires_error_decision?: boolean;
  requires_signal?: boolean;
  requires_response?: boolean;
  requires_interaction?: boolean;
  topic?: string;
  source?: "interaction" | string;
  interaction?: InteractionQuestion;
  widget?: WidgetQuestion;
  confirmation_message?: string;
  user_input_message?: string;
  output_review_message?: string;
  user_input_schema?: UserInputField[];
  available_choices?: string[];
  choices?: Choice[];
  allow_multiple_selections?: boolean;
  presentation?: JsonValue;
  halted_options?: JsonValue;
  accepts?: JsonValue;
  state?: string;
  thread_id?: string;
  halt_id?: string;
  policy?: RequirementPolicy;
  voters?: string[];
  needed?: number;
  distinct_from?: string[];
  exclude_starter?: boolean;
  bind?: boolean;
  digest?: string;
  due_at?: string;
  reminders?: string[];
  escalations?: RequirementEscalation[];
  timeout_at?: string;
  on_timeout?: "cancel" | "skip" | "approve";
  on_reject?: "skip" | "cancel" | "else" | "retry";
}
/**
 * What an interaction asks; `context` is any JSON that is shown with it.
 */
export interface InteractionQuestion {
  type: "approval" | "review" | "input";
  spec: InteractionSpec;
  title?: string | null;
  message: string;
  context?: JsonValue;
  priority?: ("low" | "normal" | "high" | "urgent") | null;
}
/**
 * How an interaction is answered. `fields` are those of the forms of state machines, `schema` is a JSON Schema.
 */
export interface InteractionSpec {
  mode: "confirm" | "select" | "multi_select" | "input";
  options?: FieldOption[] | null;
  min?: number | null;
  max?: number | null;
  fields?:
    | {
        [k: string]: JsonValue;
      }[]
    | null;
  schema?: {
    [k: string]: JsonValue;
  } | null;
  placeholder?: string | null;
  multiline?: boolean | null;
  confirm_label?: string | null;
  reject_label?: string | null;
}
/**
 * One of the values that a field allows, as it is shown.
 */
export interface FieldOption {
  value: string;
  label?: string;
  description?: string;
}
/**
 * The widget that a question is answered in: the name and the version of its bundle, and what it is shown with.
 * Without `events`, any event is an answer; with `confirm`, pages ask once more before one counts.
 */
export interface WidgetQuestion {
  bundle: string;
  version: string;
  props: {
    [k: string]: JsonValue;
  };
  events?: string[] | null;
  confirm?: boolean | null;
}
/**
 * One field of a form. `value` is the client's, the rest is the server's. Of one that is `secret`, what is typed
 * is shown to nobody. What follows `secret` is what the forms of state machines have besides.
 */
export interface UserInputField {
  name: string;
  field_type: ("str" | "int" | "float" | "bool" | "list" | "dict") | string;
  description: string | null;
  required: boolean;
  allowed_values: JsonValue[] | null;
  default: JsonValue;
  value: JsonValue;
  secret?: boolean;
  format?: "date" | "file";
  multiline?: boolean;
  placeholder?: string;
  max_length?: number;
  min?: number;
  max?: number;
  step?: number;
  options?: FieldOption[];
  min_date?: string;
  max_date?: string;
  accept?: string;
  max_size?: number;
}
/**
 * One route a person may select.
 */
export interface Choice {
  key: string;
  label?: string;
  description?: string;
}
/**
 * Who is asked as well, if nobody has decided by then.
 */
export interface RequirementEscalation {
  at: string;
  to: string;
}
/**
 * Just before the `StepPaused` of an agent's pause.
 */
export interface StepExecutorPaused {
  event: "StepExecutorPaused";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  executor_id?: string;
  executor_name?: string;
  executor_type?: string;
  executor_run_id?: string;
  executor_session_id?: string;
  executor_requirements: ExecutorRequirement[];
}
/**
 * What an agent inside a step waits for. The last six fields are the client's.
 */
export interface ExecutorRequirement {
  id: string;
  tool_execution?: ToolExecution;
  confirmation?: boolean;
  confirmation_note?: string;
  user_input_schema?: UserInputField[];
  user_feedback_schema?: {
    [k: string]: JsonValue;
  }[];
  external_execution_result?: JsonValue;
  edited_args?: {
    [k: string]: JsonValue;
  };
}
/**
 * A tool call of an agent inside a step, which may wait for a person.
 */
export interface ToolExecution {
  tool_call_id?: string;
  tool_name?: string;
  tool_args?: {
    [k: string]: JsonValue;
  };
  requires_confirmation?: boolean;
  confirmed?: boolean;
  requires_user_input?: boolean;
  user_input_schema?: UserInputField[];
  external_execution_required?: boolean;
  result?: JsonValue;
  [k: string]: unknown;
}
/**
 * Just before the `StepPaused` of a review; it has what that has, and the output, and what the step says of it.
 */
export interface StepOutputReview {
  event: "StepOutputReview";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  requires_confirmation?: boolean;
  requires_user_input?: boolean;
  requires_route_selection?: boolean;
  requires_output_review?: boolean;
  requires_iteration_review?: boolean;
  requires_executor_input?: boolean;
  requires_error_decision?: boolean;
  requires_signal?: boolean;
  requires_response?: boolean;
  requires_interaction?: boolean;
  topic?: string;
  source?: "interaction" | string;
  interaction?: InteractionQuestion;
  widget?: WidgetQuestion;
  confirmation_message?: string;
  user_input_message?: string;
  output_review_message?: string;
  user_input_schema?: UserInputField[];
  available_choices?: string[];
  choices?: Choice[];
  allow_multiple_selections?: boolean;
  presentation?: JsonValue;
  halted_options?: JsonValue;
  accepts?: JsonValue;
  state?: string;
  thread_id?: string;
  halt_id?: string;
  policy?: RequirementPolicy;
  voters?: string[];
  needed?: number;
  distinct_from?: string[];
  exclude_starter?: boolean;
  bind?: boolean;
  digest?: string;
  due_at?: string;
  reminders?: string[];
  escalations?: RequirementEscalation[];
  timeout_at?: string;
  on_timeout?: "cancel" | "skip" | "approve";
  on_reject?: "skip" | "cancel" | "else" | "retry";
  step_output?: JsonValue;
  success?: boolean;
  error?: string;
}
/**
 * The step waits for a person, or for a signal.
 */
export interface StepPaused {
  event: "StepPaused";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  requires_confirmation: boolean;
  requires_user_input: boolean;
  requires_route_selection: boolean;
  requires_output_review: boolean;
  requires_iteration_review: boolean;
  requires_executor_input: boolean;
  requires_error_decision?: boolean;
  requires_signal?: boolean;
  requires_response?: boolean;
  requires_interaction?: boolean;
  topic?: string;
  source?: "interaction" | string;
  interaction?: InteractionQuestion;
  widget?: WidgetQuestion;
  confirmation_message?: string;
  user_input_message?: string;
  output_review_message?: string;
  user_input_schema?: UserInputField[];
  available_choices?: string[];
  choices?: Choice[];
  allow_multiple_selections?: boolean;
  presentation?: JsonValue;
  halted_options?: JsonValue;
  accepts?: JsonValue;
  state?: string;
  thread_id?: string;
  halt_id?: string;
  policy?: RequirementPolicy;
  voters?: string[];
  needed?: number;
  distinct_from?: string[];
  exclude_starter?: boolean;
  bind?: boolean;
  digest?: string;
  due_at?: string;
  reminders?: string[];
  escalations?: RequirementEscalation[];
  timeout_at?: string;
  on_timeout?: "cancel" | "skip" | "approve";
  on_reject?: "skip" | "cancel" | "else" | "retry";
  executor_id?: string;
  executor_name?: string;
  executor_type?: string;
  executor_run_id?: string;
  executor_session_id?: string;
  executor_requirements?: ExecutorRequirement[];
}
/**
 * The state of a run: sent when it pauses, and, with `as_of` instead of `event_index`, as a snapshot.
 */
export interface WorkflowRunOutput {
  event: "WorkflowRunOutput";
  event_index?: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  as_of?: number;
  status: RunStatus;
  content?: JsonValue;
  step_requirements?: StepRequirement[];
  error_requirements?: ErrorRequirement[];
  step_results?: StepResult[];
  paused_step_index?: number;
  paused_step_name?: string;
  pause_kind?: "step" | "executor" | "error";
}
/**
 * One thing that a run waits for; every field of it is the server's. A signal of the `topic` resolves it;
 * where its `source` is `interaction`, only the outcome of one does.
 *
 * `digest` is a hash over what is asked and shown; where `bind` is true, a decision needs it.
 */
export interface StepRequirement {
  id: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  step_type:
    | "Step"
    | "Router"
    | "Loop"
    | "Condition"
    | "Steps"
    | "Parallel"
    | "Workflow"
    | "Race"
    | "Graph"
    | "Ports"
    | "Machine"
    | "Thread"
    | "Halt"
    | "Wait";
  requires_confirmation: boolean;
  requires_user_input: boolean;
  requires_route_selection: boolean;
  requires_output_review: boolean;
  requires_iteration_review: boolean;
  requires_executor_input: boolean;
  requires_signal?: boolean;
  requires_response?: boolean;
  requires_interaction?: boolean;
  topic?: string;
  source?: "interaction" | string;
  interaction?: InteractionQuestion;
  widget?: WidgetQuestion;
  confirmation_message?: string;
  user_input_message?: string;
  output_review_message?: string;
  user_input_schema?: UserInputField[];
  available_choices?: string[];
  choices?: Choice[];
  allow_multiple_selections?: boolean;
  step_input?: JsonValue;
  step_output?: JsonValue;
  success?: boolean;
  error?: string;
  executor_id?: string;
  executor_name?: string;
  executor_type?: ("agent" | "team") | string;
  executor_run_id?: string;
  executor_session_id?: string;
  executor_requirements?: ExecutorRequirement[];
  assignees?: string[];
  claim?: RequirementClaim;
  policy?: RequirementPolicy;
  voters?: string[];
  needed?: number;
  responses?: RequirementResponse[];
  distinct_from?: string[];
  exclude_starter?: boolean;
  presentation?: JsonValue;
  halted_options?: JsonValue;
  accepts?: JsonValue;
  state?: string;
  thread_id?: string;
  halt_id?: string;
  retry_count?: number;
  max_retries?: number;
  due_at?: string;
  reminders?: string[];
  escalations?: RequirementEscalation[];
  timeout_at?: string;
  digest?: string;
  bind?: boolean;
  on_timeout?: "cancel" | "skip" | "approve";
  on_reject?: "skip" | "cancel" | "else" | "retry";
  allowed_on_reject?: ("skip" | "cancel" | "else" | "retry")[];
}
/**
 * One of several responses to a requirement: the latest of each person. `at` is in milliseconds since 1970.
 *
 * `voter` is the entry of `voters` that it counts for. An admin's has whom it was made for, and why.
 */
export interface RequirementResponse {
  voter: string;
  by: string;
  at: number;
  decision?: {
    [k: string]: JsonValue;
  };
  on_behalf_of?: string | null;
  reason?: string | null;
}
/**
 * A failed step that waits for a person to say: retry, skip or cancel. Where the step had asked for input,
 * `user_input_schema` is its form, each `value` what was given, and a retry may give other input.
 */
export interface ErrorRequirement {
  id: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  error_message: string;
  error_type: string;
  retry_count: number;
  user_input_schema?: UserInputField[];
  assignees?: string[];
  claim?: RequirementClaim;
  policy?: RequirementPolicy;
  distinct_from?: string[];
  exclude_starter?: boolean;
  due_at?: string;
  reminders?: string[];
  escalations?: RequirementEscalation[];
  timeout_at?: string;
  digest?: string;
  bind?: boolean;
  on_timeout?: "cancel" | "skip" | "approve";
}
/**
 * How a step ended, without its payload.
 */
export interface StepResult {
  step_id: string;
  step_path: (string | number)[];
  status: string;
}
/**
 * Somebody responded to a requirement that several decide. `responded_at` is in milliseconds since 1970.
 *
 * `number` counts the responses to it, changed ones too, from 1; `responded` how many people have responded by now,
 * and at least `needed` more must. `voter` is the entry of its `voters` that this counts for. With the response that
 * decides it there is the `outcome`, and its `StepContinued` follows. One that is `late` came after that, and changes
 * nothing.
 */
export interface InteractionResponded {
  event: "InteractionResponded";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  voter: string;
  decision: {
    [k: string]: JsonValue;
  };
  responded_by: string;
  responded_at: number;
  number: number;
  responded: number;
  needed: number;
  outcome?: "approved" | "rejected" | "completed" | "unreachable" | "expired";
  late?: boolean;
  on_behalf_of?: string;
  reason?: string;
}
/**
 * Somebody is on a requirement, or stays on it, so that nobody else decides it until then. `since` and `until` are
 * in milliseconds since 1970.
 */
export interface InteractionClaimed {
  event: "InteractionClaimed";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  number: number;
  parts?: string[];
  claimed_by: string;
  since: number;
  until: number;
}
/**
 * A claim was given up, or an admin has ended it.
 */
export interface InteractionReleased {
  event: "InteractionReleased";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  number: number;
  parts?: string[];
  released_by: string;
  reason?: string;
}
/**
 * Somebody has handed a requirement over; a claim on it has ended. `assignees` are those who may decide it now.
 * Where they are `absent`, somebody stands in for them: they stay asked, and a claim goes on.
 */
export interface InteractionDelegated {
  event: "InteractionDelegated";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  number: number;
  parts?: string[];
  delegated_by: string;
  to: string;
  reason?: string;
  absent?: boolean;
  assignees: string[];
}
/**
 * Nobody has decided a requirement yet, and whoever is asked is told again: for the `reminder`th time, from 1.
 */
export interface InteractionReminded {
  event: "InteractionReminded";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  number: number;
  parts?: string[];
  reminder: number;
}
/**
 * Nobody has decided a requirement yet, and somebody else is asked as well; a claim on it has ended. `assignees`
 * are those who may decide it now, `level` counts its escalations from 1.
 */
export interface InteractionEscalated {
  event: "InteractionEscalated";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  number: number;
  parts?: string[];
  to: string;
  level: number;
  assignees: string[];
}
/**
 * A requirement of a step was resolved. `resolved_at` is in milliseconds since 1970.
 *
 * Under a policy, `outcome` says how, and `resolved_by` is whose response decided it. An admin who decides for
 * somebody else says for whom, and why. Where a signal did it, `attended` is the `number` of what happened to it
 * before.
 */
export interface StepContinued {
  event: "StepContinued";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  decision: {
    [k: string]: JsonValue;
  };
  resolved_by: string;
  resolved_at: number;
  outcome?: "approved" | "rejected" | "completed" | "unreachable" | "expired";
  attended?: number;
  on_behalf_of?: string;
  reason?: string;
}
/**
 * A requirement of an agent inside a step was resolved.
 */
export interface StepExecutorContinued {
  event: "StepExecutorContinued";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  requirement_id: string;
  executor_id?: string;
  executor_name?: string;
  executor_type?: string;
  executor_run_id?: string;
  decision: {
    [k: string]: JsonValue;
  };
  resolved_by: string;
  resolved_at: number;
  on_behalf_of?: string;
  reason?: string;
}
/**
 * A loop began.
 */
export interface LoopExecutionStarted {
  event: "LoopExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  max_iterations: number;
}
/**
 * An iteration of a loop began. `iteration` counts from 1.
 */
export interface LoopIterationStarted {
  event: "LoopIterationStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  iteration: number;
  max_iterations: number;
}
/**
 * An iteration of a loop ended.
 */
export interface LoopIterationCompleted {
  event: "LoopIterationCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  iteration: number;
  max_iterations: number;
  should_continue: boolean;
}
/**
 * A loop ended.
 */
export interface LoopExecutionCompleted {
  event: "LoopExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  total_iterations: number;
  max_iterations: number;
}
/**
 * The branches of a parallel begin.
 */
export interface ParallelExecutionStarted {
  event: "ParallelExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  parallel_step_count: number;
}
/**
 * Every branch of a parallel ended.
 */
export interface ParallelExecutionCompleted {
  event: "ParallelExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  parallel_step_count: number;
}
/**
 * The branches of a race begin.
 */
export interface RaceExecutionStarted {
  event: "RaceExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  race_step_count: number;
}
/**
 * A race ended; `winner` is the name of the branch that completed first, absent when all were skipped.
 */
export interface RaceExecutionCompleted {
  event: "RaceExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  winner?: string;
}
/**
 * The tasks of a graph begin, each as soon as those before it have ended as they should.
 */
export interface GraphExecutionStarted {
  event: "GraphExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  task_count: number;
}
/**
 * Every task of a graph ended, or was skipped because it can't be reached any more.
 */
export interface GraphExecutionCompleted {
  event: "GraphExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  task_count: number;
}
/**
 * The branch was chosen by the port of the step before; null if there is none for it, and the node is skipped.
 */
export interface PortsExecutionStarted {
  event: "PortsExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  port?: string;
  branch?: string;
}
/**
 * The steps of the chosen branch ended.
 */
export interface PortsExecutionCompleted {
  event: "PortsExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  port?: string;
  branch?: string;
}
/**
 * A state machine began.
 */
export interface MachineExecutionStarted {
  event: "MachineExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  initial_state: string;
}
/**
 * A thread of a state machine began, in this state.
 */
export interface ThreadStarted {
  event: "ThreadStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  thread_id: string;
  state: string;
}
/**
 * What entering a state returned was merged into the machine's data: `changes` as in `StateChanged`.
 */
export interface StateDataMerged {
  event: "StateDataMerged";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  thread_id: string;
  state: string;
  changes: {
    [k: string]: JsonValue;
  };
}
/**
 * A thread went on to another state. What the former one returned was merged into the machine's data.
 *
 * `changes` has the keys of the data that are new, `added: {key: value}`, and those that have another value, `updated:
 * {key: {from, to}}`; it is absent if nothing has changed.
 */
export interface StateChanged {
  event: "StateChanged";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  thread_id: string;
  from_state: string;
  to_state: string;
  trigger: "automatic" | "resume" | "timeout" | "error" | "retry";
  changes?: {
    [k: string]: JsonValue;
  };
}
/**
 * A thread of a state machine reached this terminal state.
 */
export interface ThreadCompleted {
  event: "ThreadCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  thread_id: string;
  state: string;
}
/**
 * Every thread of a state machine has ended; `state` is the terminal one of its main thread.
 */
export interface MachineExecutionCompleted {
  event: "MachineExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  state: string;
}
/**
 * A container gives up these steps and all in them: they were `lost` to another, or something in them has `failed`.
 *
 * Nobody can decide these requirements any more. What has failed is told by `error`, `error_type`, `failed_step_id`.
 */
export interface StepsWithdrawn {
  event: "StepsWithdrawn";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  step_paths: (string | number)[][];
  requirement_ids: string[];
  reason: "lost" | "failed";
  error?: string;
  error_type?: string;
  failed_step_id?: string;
}
/**
 * A condition was evaluated; `branch` (`if` or `else`) is what runs, absent when nothing does.
 */
export interface ConditionExecutionStarted {
  event: "ConditionExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  condition_result: boolean;
  branch?: "if" | "else";
}
/**
 * The chosen branch of a condition ended.
 */
export interface ConditionExecutionCompleted {
  event: "ConditionExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  condition_result: boolean;
  branch?: "if" | "else";
}
/**
 * Routes were selected, by a person or by the selector.
 */
export interface RouterExecutionStarted {
  event: "RouterExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  selected_steps: string[];
}
/**
 * The selected routes ended.
 */
export interface RouterExecutionCompleted {
  event: "RouterExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  selected_steps: string[];
}
/**
 * A sequence began.
 */
export interface StepsExecutionStarted {
  event: "StepsExecutionStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  steps_count: number;
}
/**
 * A sequence ended.
 */
export interface StepsExecutionCompleted {
  event: "StepsExecutionCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  steps_count: number;
}
/**
 * An agent calls a tool.
 */
export interface ToolCallStarted {
  event: "ToolCallStarted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  tool: ToolExecution;
}
/**
 * A tool returned.
 */
export interface ToolCallCompleted {
  event: "ToolCallCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  tool: ToolExecution;
}
/**
 * A tool failed.
 */
export interface ToolCallError {
  event: "ToolCallError";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  tool: ToolExecution;
}
/**
 * Another process took the run over.
 *
 * The partial content that `interrupted_steps` (step ids) streamed since `from_event_index` is void.
 */
export interface WorkflowRecovered {
  event: "WorkflowRecovered";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  interrupted_steps: string[];
  from_event_index: number;
}
/**
 * Somebody sent a signal. What waits for its topic takes it: then a `StepContinued` has its `signal_id`.
 *
 * `resumes` is true if the run goes on with it, where it had paused.
 */
export interface SignalReceived {
  event: "SignalReceived";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  signal_id: string;
  topic: string;
  payload?: JsonValue;
  sent_by: string;
  resumes?: boolean;
}
/**
 * What a step emits itself.
 */
export interface CustomEvent {
  event: "CustomEvent";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  step_id: string;
  step_name: string;
  step_index: number;
  step_path: (string | number)[];
  visit: number;
  parent_step_id?: string;
  nested_depth?: number;
  name: string;
  data?: JsonValue;
}
/**
 * The run ended well. `metrics` has `duration_ms`, `paused_ms` and `steps`.
 */
export interface WorkflowCompleted {
  event: "WorkflowCompleted";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  content?: JsonValue;
  content_type?: string;
  metrics: {
    [k: string]: number;
  };
}
/**
 * The run was cancelled; nothing follows.
 */
export interface WorkflowCancelled {
  event: "WorkflowCancelled";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  reason?: string;
  cancelled_by?: string;
}
/**
 * The run failed; nothing follows.
 */
export interface WorkflowError {
  event: "WorkflowError";
  event_index: number;
  replayed?: boolean;
  epoch: number;
  created_at: number;
  workflow_id: string;
  workflow_name?: string;
  run_id: string;
  session_id?: string;
  error: string;
  error_type: string;
  step_id?: string;
}
