/**
 * The TypeScript client of Interlock: start runs, follow them live, decide what they wait for.
 *
 * ```ts
 * const client = connect("http://127.0.0.1:7777", { token: () => fetchToken() });
 * const run = await client.start("release-review", { message: "/tmp/cookbook" });
 * for await (const event of run) {
 *   for (const pending of run.optimistic.pending) await run.decide(pending, { confirmed: true });
 * }
 * console.log(run.view.status, run.view.output);
 * ```
 *
 * The hooks are in `@interlock/client/react`, MessagePack is in `@interlock/client/msgpack`.
 *
 * @packageDocumentation
 */

export { tokenIn } from "./address.js";
export { Backoff } from "./backoff.js";
export { faultOf, faultsOf } from "./answers.js";
export { connect, type Client } from "./client.js";
export { closing, type Closing } from "./closing.js";
export { json, type Codec, type Frame } from "./codec.js";
export type { ConnectionPhase, ConnectionState, Identity } from "./connection.js";
export type { Beginning, Place } from "./cursor.js";
export type {
  Decided,
  Decision,
  ErrorDecision,
  Filled,
  Interacted,
  OnBehalf,
  OnReject,
  Selected,
  Responded,
  Tools,
  Verdict,
} from "./decisions.js";
export type { Action, Outbox, Settled, WaitingAction } from "./outbox.js";
export { InterlockError, type ClientErrorCode, type ErrorFacts, type FieldFault } from "./errors.js";
export {
  isFinal,
  isFinalEvent,
  isKnown,
  isSnapshot,
  type RunMessage,
  type Snapshot,
  type UnknownEvent,
} from "./events.js";
export { MAX_FILE_BYTES, type Files, type UploadedFile, type UploadOptions } from "./files.js";
export type {
  DefinedGraph,
  GraphActivation,
  GraphDefinition,
  GraphEndpoint,
  GraphFault,
  GraphLink,
  GraphRunOptions,
  Graphs,
  GraphSession,
  GraphSummary,
  GraphTask,
  GraphValidation,
  GraphVersion,
  TaskType,
} from "./graphs.js";
export type {
  CreateOptions,
  ErrorFilter,
  ErrorPage,
  Halt,
  HistoryEvent,
  HistoryEventType,
  HistoryFilter,
  HistoryPage,
  Instance,
  InstanceFilter,
  InstanceInput,
  Instances,
  InstanceStatus,
  ListedError,
  MachineThread,
  ResumeOptions,
  StateVisit,
  WaitOptions,
} from "./instances.js";
export type { ListOptions, ListState, PendingItem, RunList } from "./lists.js";
export type { EventLog } from "./log.js";
export type {
  ConditionDefinition,
  DefinedVersion,
  DefinitionFault,
  LogicDefinition,
  MachineDefinition,
  Machines,
  MachineSummary,
  MachineVersion,
  StateDefinition,
  TransitionDefinition,
  Validation,
  VersionOf,
} from "./machines.js";
export {
  type IntegrationInfo,
  Integrations,
  type NewIntegration,
  type ProviderAuth,
  type ProviderInfo,
} from "./integrations.js";
export { type SecretInfo, type SecretOptions, Secrets } from "./secrets.js";
export {
  type Delivery,
  type DeliveryAttempt,
  type DeliveryFilter,
  type DeliveryPage,
  type DeliveryStatus,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionChange,
  Webhooks,
} from "./webhooks.js";
export { mayDecide, whyNotAsked } from "./may.js";
export type { Remembered, StorageLike } from "./memory.js";
export { expecting } from "./optimistic.js";
export type { ConnectOptions, FollowOptions, RunReference, StartOptions } from "./options.js";
export type { Dict, List } from "./persistent.js";
export {
  haltedOptionsOf,
  labelOf,
  presentationOf,
  type FormFieldType,
  type HaltedChoice,
  type HaltedOptions,
  type Halting,
  type Presentation,
  type PresentationField,
  type PresentationOption,
} from "./presentations.js";
export type * from "./protocol.js";
export { applyEvent, applyEvents } from "./reduce.js";
export type { SignalOptions } from "./actions.js";
export type { Run } from "./run.js";
export type { WebSocketConstructor, WebSocketLike } from "./socket.js";
export type { Surroundings } from "./surroundings.js";
export type { Token, TokenReason } from "./tokens.js";
export {
  initialView,
  textOf,
  waitingTools,
  type Attempt,
  type DecisionView,
  type Failure,
  type KnownRequirement,
  type PauseKind,
  type Pending,
  type Piece,
  type RunView,
  type Steps,
  type StepState,
  type StepType,
  type StepView,
  type ToolCall,
  type ViewOptions,
} from "./view.js";
export type {
  AskedWidget,
  MountedWidget,
  WidgetAnswer,
  WidgetCallbacks,
  WidgetModule,
  WidgetTheme,
} from "./widgets/bundle.js";
export { renderWidget, type RenderedWidget, type WidgetOptions } from "./widgets/render.js";
