/**
 * Actions that wait for the server's answer.
 *
 * Laws:
 * - An action is kept until it is answered, and sent again on each new connection, under the idempotency key that it had
 *   from the beginning: it is applied once, however often it arrives.
 * - Actions are sent (again) in the order in which they were made.
 * - It is bounded. What doesn't fit is refused to whoever made it, and never dropped in silence.
 */

import { InterlockError, refusal } from "./errors.js";
import type { Attention } from "./actions.js";
import type { Ack, CancelWorkflow, ContinueWorkflow, ErrorMessage, SendSignal, StartWorkflow } from "./protocol.js";

/** An action that is applied once, whatever happens to the connection. */
export type Action = StartWorkflow | ContinueWorkflow | CancelWorkflow | SendSignal | Attention;

/** An action that waits for its answer. */
export interface Waiting {
  readonly message: Action & { request_id: string };
  /** How often it was sent. */
  attempts: number;
  /** Called with the ack before anything else is done with it, so that what follows in the same breath finds its run. */
  readonly acknowledged: (ack: Ack, waiting: Waiting) => void;
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: InterlockError) => void;
}

/** The actions of one client. */
export class Outbox {
  readonly #limit: number;
  readonly #waiting = new Map<string, Waiting>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Takes an action up. `sent` is called with what to send now. */
  add(
    message: Waiting["message"],
    acknowledged: Waiting["acknowledged"],
    send: (waiting: Waiting) => void,
  ): Promise<Ack> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= this.#limit) {
        const sentence = `${this.#limit} actions wait for an answer already; wait for one of them.`;
        reject(new InterlockError("outbox_full", sentence, { retryable: true }));
        return;
      }
      const waiting: Waiting = { message, attempts: 0, acknowledged, resolve, reject };
      this.#waiting.set(message.request_id, waiting);
      send(waiting);
    });
  }

  /** Everything that waits, in order: what has to be sent on a new connection. */
  all(): readonly Waiting[] {
    return [...this.#waiting.values()];
  }

  /** An ack came. Returns whether it was for an action of this outbox. */
  acknowledge(ack: Ack): boolean {
    const waiting = this.#take(ack.request_id);
    waiting?.acknowledged(ack, waiting);
    waiting?.resolve(ack);
    return waiting !== undefined;
  }

  /** A refusal came. Returns whether it was for an action of this outbox. */
  refuse(message: ErrorMessage): boolean {
    const waiting = this.#take(message.request_id ?? "");
    waiting?.reject(refusal(message));
    return waiting !== undefined;
  }

  /** One action can't be sent. */
  drop(waiting: Waiting, error: InterlockError): void {
    this.#take(waiting.message.request_id)?.reject(error);
  }

  /** Nothing will be answered any more. */
  fail(error: InterlockError): void {
    for (const waiting of this.all()) this.drop(waiting, error);
  }

  #take(requestId: string): Waiting | undefined {
    const waiting = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    return waiting;
  }
}
