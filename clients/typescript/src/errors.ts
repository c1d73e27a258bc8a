/**
 * What can go wrong for a client: one class, told apart by `code`.
 *
 * Laws:
 * - A refusal and a lost connection are different things. Losing a connection that can be had again is no error at all.
 * - What the server refused was not done, and the connection is fine. Its `code` is one of the protocol's.
 * - Whoever waits when the connection ends for good gets the same error, whether for an answer or for an event.
 */

import type { ErrorMessage, JsonValue } from "./protocol.js";

/** Codes that this client gives itself, beside those of the protocol. */
export type ClientErrorCode =
  /** The client was closed by its own program. */
  | "closed"
  /** There is no connection, and none will be made again. */
  | "disconnected"
  /** The server doesn't accept the token; the protocol's codes for that are `invalid_token` and `expired_token`. */
  | "auth_required"
  /** Too many actions wait for an answer already. */
  | "outbox_full"
  /** What was to be sent was taken back before it was. */
  | "taken_back"
  /** The server skips events of a run, and did so again when asked. */
  | "broken_stream"
  /** A request over HTTP got no answer, or none of Interlock's; nobody knows whether it was carried out. */
  | "unanswered"
  /** What was waited for didn't come in time. */
  | "timeout"
  /** A bug of the calling program. */
  | "misuse";

/** One wrong field of what was sent, as `details` of `invalid_message` and `invalid_decision` list them. */
export interface FieldFault {
  field: string;
  error: string;
}

/** Facts about an error beside its code and sentence. */
export interface ErrorFacts {
  details?: JsonValue | undefined;
  runId?: string | undefined;
  retryable?: boolean;
  closeCode?: number;
  status?: number | undefined;
  requestId?: string | undefined;
  retryAfter?: number | undefined;
  cause?: unknown;
}

/**
 * Something was refused by the server, or can't be done by this client.
 *
 * `code` is what programs branch on, `message` is a sentence for people and may change.
 */
export class InterlockError extends Error {
  override readonly name = "InterlockError";
  readonly code: string;
  /** Whether the same action may succeed later. */
  readonly retryable: boolean;
  /** JSON-ready facts from the server. */
  readonly details: JsonValue | undefined;
  readonly runId: string | undefined;
  /** The server's final close code, where it sent one. */
  readonly closeCode: number | undefined;
  /** The HTTP status, where it was asked for over HTTP. */
  readonly status: number | undefined;
  /** What the server's log calls the request, where it was made over HTTP. */
  readonly requestId: string | undefined;
  /** How long the server asks to wait before the next try, in seconds. */
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.retryable = facts.retryable ?? false;
    this.details = facts.details;
    this.runId = facts.runId;
    this.closeCode = facts.closeCode;
    this.status = facts.status;
    this.requestId = facts.requestId;
    this.retryAfter = facts.retryAfter;
  }

  /** The wrong fields, of an `invalid_decision`, `invalid_input` or `invalid_message`; otherwise none. */
  get fields(): readonly FieldFault[] {
    return Array.isArray(this.details) ? this.details.filter(isFault) : [];
  }

  /** The decision that stands, of a `conflict` or `requirement_expired`. */
  get decision(): JsonValue | undefined {
    return detail(this.details, "decision");
  }

  /** Who made the decision that stands: a user's id, or `timeout`. */
  get resolvedBy(): string | undefined {
    const found = detail(this.details, "resolved_by");
    return typeof found === "string" ? found : undefined;
  }
}

/** The error that stands for an `error` message. */
export function refusal(message: ErrorMessage): InterlockError {
  return new InterlockError(message.code, message.error, {
    details: message.details,
    runId: message.run_id,
    retryable: message.retryable,
  });
}

/** A bug of the calling program. */
export function misuse(sentence: string): InterlockError {
  return new InterlockError("misuse" satisfies ClientErrorCode, sentence);
}

function detail(details: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof details === "object" && details !== null && !Array.isArray(details) ? details[name] : undefined;
}

function isFault(item: JsonValue): item is { field: string; error: string } {
  return typeof detail(item, "field") === "string" && typeof detail(item, "error") === "string";
}
