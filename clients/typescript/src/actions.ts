/** The messages of actions on runs: what is sent once, however often, has a key. */

import { newKey } from "./keys.js";
import type { CancelWorkflow, Claim, Delegate, JsonValue, Release, SendSignal } from "./protocol.js";

/** How a signal is sent. */
export interface SignalOptions {
  /** For as long as the run is known, the same signal with the same key is sent once. Without one, each is another. */
  idempotencyKey?: string;
}

/** What is said of a question without deciding it. Said again, it changes nothing more. */
export type Attention = Claim | Release | Delegate;

/** Cancels a run. */
export function cancellation(runId: string, workflowId: string, reason: string | undefined): CancelWorkflow {
  const action = { action: "cancel-workflow", run_id: runId, workflow_id: workflowId } as const;
  return { ...action, ...(reason === undefined ? {} : { reason }), idempotency_key: newKey() };
}

/** Sends a signal. */
export function signalOf(runId: string, topic: string, payload: JsonValue, options: SignalOptions): SendSignal {
  const { idempotencyKey = newKey() } = options;
  return { action: "signal", run_id: runId, topic, payload, idempotency_key: idempotencyKey };
}
