/**
 * Where a run stands, for whoever waits for that.
 *
 * Laws:
 * - Nothing of its events is kept but the status. Each connection begins with the run's present state.
 * - It follows the run only while the program doesn't: then it is told of what the program's own run receives.
 */

import type { InterlockError } from "./errors.js";
import { isFinal, type Received } from "./events.js";
import { Listeners } from "./listeners.js";
import type { Reconnect, RunStatus } from "./protocol.js";

/** The status of one run. Made by `Client.watch`. */
export class Watch {
  readonly runId: string;
  /** How many wait for it. */
  users = 0;
  readonly #changes = new Listeners();
  #status: RunStatus = "PENDING";
  #failure: InterlockError | null = null;

  constructor(runId: string) {
    this.runId = runId;
  }

  /** As of the last event that was received. */
  get status(): RunStatus {
    return this.#status;
  }

  /** Why nothing more will be received. */
  get failure(): InterlockError | null {
    return this.#failure;
  }

  /** Calls `told` whenever `status` or `failure` changes. Returns what ends that. */
  subscribe(told: () => void): () => void {
    return this.#changes.add(told);
  }

  // ── For the client ──────────────────────────────────────────────────────────────────────────────────

  /** Whether the server is to send what follows. */
  get wantsEvents(): boolean {
    return this.#failure === null && !isFinal(this.#status);
  }

  ask(requestId: string): Reconnect {
    return { action: "reconnect", run_id: this.runId, request_id: requestId, snapshot: true };
  }

  /** Nothing more will come. */
  fail(error: InterlockError): void {
    this.#failure ??= error;
    this.#changes.tell();
  }

  /** Takes in a message about the run. */
  receive(message: Received): void {
    const status = statusAfter(message) ?? this.#status;
    if (status === this.#status) return;
    this.#status = status;
    this.#changes.tell();
  }
}

/** How the run stands after a message that says so. */
function statusAfter(message: Received): RunStatus | undefined {
  switch (message.event) {
    case "WorkflowRunOutput":
    case "replay":
      return (message as { status: RunStatus }).status;
    case "WorkflowStarted":
    case "WorkflowRecovered":
    case "StepContinued":
    case "StepExecutorContinued":
      return "RUNNING";
    case "WorkflowCompleted":
      return "COMPLETED";
    case "WorkflowCancelled":
      return "CANCELLED";
    case "WorkflowError":
      return "ERROR";
    default:
      return undefined;
  }
}
