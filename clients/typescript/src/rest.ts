/**
 * Requests to the server's HTTP API below `/api/v1`.
 *
 * Laws:
 * - An answer is `{"data": …}` or `{"error": {code, message, details, request_id}}`. The first is returned, the second
 *   thrown as an `InterlockError`.
 * - A request that got no answer may have been carried out. It is sent again only if doing so changes nothing: it reads,
 *   or it carries an idempotency key, which stays the same on every try.
 * - A token that was refused is renewed once, if it can be.
 */

import { Backoff } from "./backoff.js";
import { InterlockError, misuse } from "./errors.js";
import type { JsonValue } from "./protocol.js";
import type { Tokens } from "./tokens.js";

const PREFIX = "/api/v1";

/** How often a request is sent at most. */
const TRIES = 4;

/** How long an answer may take; 30 s of them the server itself may wait for a machine. */
const ANSWER_MS = 45_000;

/** The longest `Retry-After`, in seconds, that is waited for; the caller is told of a longer one. */
const LONGEST_PAUSE = 10;

/** What a proxy says while its server is away, and a server that can't do it now. */
const GATEWAY: readonly number[] = [502, 503, 504];

/** One request. */
export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/api/v1`; made by `path`. */
  path: string;
  /** Parameters; those that are undefined are left out. */
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: JsonValue;
  /** The body, instead of one in JSON. */
  form?: FormData;
  /** The answer is no JSON, but content. */
  asBlob?: boolean;
  /** Gives the request up; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Its idempotency key, if the route takes one. */
  key?: string;
  /** Sending it again changes nothing, even if the first try was carried out. */
  repeatable?: boolean;
  /** How long the server may wait for the machine to halt or end, in seconds. */
  wait?: number | undefined;
  headers?: Readonly<Record<string, string>>;
}

/** A path of these parts, each of them quoted. */
export function path(...parts: string[]): string {
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    throw misuse("a name or an id of the path is empty; pass the one that the server gave");
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/** The HTTP API of one server. */
export class Rest {
  readonly #base: string;
  readonly #tokens: Pick<Tokens, "forRequest">;
  readonly #fetch: typeof globalThis.fetch;
  readonly #backoff: () => Backoff;

  /** `base` is `http(s)://HOST[:PORT][/PREFIX]`. */
  constructor(
    base: string,
    tokens: Pick<Tokens, "forRequest">,
    fetch: typeof globalThis.fetch = (...asked) => globalThis.fetch(...asked),
    backoff = () => new Backoff({ longest: 2_000 }),
  ) {
    this.#base = base + PREFIX;
    this.#tokens = tokens;
    this.#fetch = fetch;
    this.#backoff = backoff;
  }

  /** The `data` of the answer. Rejects with an `InterlockError`; with `unanswered` where there was none. */
  async send<T>(call: Call): Promise<T> {
    const backoff = this.#backoff();
    let token = await this.#tokens.forRequest();
    let isRenewed = false;
    for (let tried = 1; ; tried++) {
      const error = await this.#try(call, token);
      if (!(error instanceof InterlockError)) return error.data as T;
      if (error.status === 401 && !isRenewed) {
        isRenewed = true;
        const fresh = await this.#tokens.forRequest(token);
        if (fresh === token) throw error;
        token = fresh;
        continue;
      }
      if (tried === TRIES || !mayRepeat(call, error)) throw error;
      await pause(Math.min(Math.max((error.retryAfter ?? 0) * 1000, backoff.delay()), LONGEST_PAUSE * 1000));
    }
  }

  /** What the list of that name has, page after page, up to so many. */
  async list<T>(call: Call, name: string, limit = Infinity): Promise<T[]> {
    const found: T[] = [];
    let cursor: string | null | undefined;
    do {
      const query = { ...call.query, ...(cursor ? { cursor } : {}) };
      const page = await this.send<Record<string, T[]> & { next_cursor?: string | null }>({ ...call, query });
      found.push(...(page[name] ?? []));
      cursor = page.next_cursor;
    } while (cursor && found.length < limit);
    return found.slice(0, limit);
  }

  async #try(call: Call, token: string | undefined): Promise<{ data: unknown } | InterlockError> {
    const [url, init] = this.#request(call, token);
    const what = `${call.method} ${url.split("?")[0] ?? ""}`;
    let answer: Response;
    let text: string;
    try {
      answer = await this.#fetch(url, init);
      if (call.asBlob && answer.ok) return { data: await answer.blob() };
      text = await answer.text();
    } catch (cause) {
      call.signal?.throwIfAborted();
      const isLate = cause instanceof Error && cause.name === "TimeoutError";
      return unanswered(`No answer to ${what}: ${isLate ? "it took too long" : reasonOf(cause)}.`, { cause });
    }
    return read(what, answer, text);
  }

  #request(call: Call, token: string | undefined): [string, RequestInit] {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(call.query ?? {})) if (value !== undefined) asked.set(name, `${value}`);
    const headers: Record<string, string> = { accept: "application/json", ...call.headers };
    if (sendsBody(call) && !call.form) headers["content-type"] = "application/json";
    if (token !== undefined && token !== "") headers["authorization"] = `Bearer ${token}`;
    if (call.key !== undefined) headers["idempotency-key"] = call.key;
    if (call.wait !== undefined) headers["prefer"] = `wait=${Math.ceil(call.wait)}`;
    const late = AbortSignal.timeout(ANSWER_MS + (call.wait ?? 0) * 1000);
    const query = asked.size > 0 ? `?${asked.toString()}` : "";
    return [
      `${this.#base}${call.path}${query}`,
      {
        method: call.method,
        headers,
        ...(sendsBody(call) ? { body: call.form ?? JSON.stringify(call.body ?? {}) } : {}),
        redirect: "error", // the token goes to no other address than the one that the program named
        signal: call.signal ? AbortSignal.any([late, call.signal]) : late,
      },
    ];
  }
}

function sendsBody(call: Call): boolean {
  return call.method === "POST" || call.method === "PUT" || call.method === "PATCH";
}

function mayRepeat(call: Call, error: InterlockError): boolean {
  if (error.retryAfter !== undefined && error.retryAfter > LONGEST_PAUSE) return false;
  if (error.code === "unanswered" && error.retryable)
    return call.method === "GET" || call.key !== undefined || call.repeatable === true;
  return error.status === 429 && error.retryAfter !== undefined;
}

/** What an answer gives: its data, or the error that it is. */
function read(what: string, answer: Response, text: string): { data: unknown } | InterlockError {
  const found = parsed(text);
  const retryAfter = secondsOf(answer.headers.get("retry-after"));
  const error = found["error"];
  if (isObject(error) && !GATEWAY.includes(answer.status)) return refused(error, answer.status, retryAfter);
  if (GATEWAY.includes(answer.status)) {
    const said = isObject(error) && typeof error["message"] === "string" ? error["message"] : `HTTP ${answer.status}`;
    return unanswered(`No answer to ${what}: ${said.replace(/\.$/, "")}.`, { status: answer.status, retryAfter });
  }
  if (answer.status === 204) return { data: undefined };
  if (answer.ok && "data" in found) return { data: found["data"] };
  return new InterlockError(
    "unanswered",
    `${what} was answered with HTTP status ${answer.status}, and not by Interlock's HTTP API; check the address, and ` +
      "whether the server has that API.",
    { status: answer.status },
  );
}

function refused(error: Record<string, JsonValue>, status: number, retryAfter: number | undefined): InterlockError {
  const { code, message, details, request_id: requestId } = error;
  const about = isObject(details) ? details["instance_id"] : undefined;
  const name = typeof code === "string" ? code : "internal";
  return new InterlockError(name, typeof message === "string" ? message : name, {
    details: details ?? undefined,
    runId: typeof about === "string" ? about : undefined,
    retryable: status === 429,
    status,
    requestId: typeof requestId === "string" ? requestId : undefined,
    retryAfter,
  });
}

function unanswered(
  sentence: string,
  facts: { cause?: unknown; status?: number; retryAfter?: number | undefined },
): InterlockError {
  return new InterlockError("unanswered", sentence, { retryable: true, ...facts });
}

/** What `fetch` failed for; the reason is in its cause in Node, and isn't told in browsers. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

function parsed(text: string): Record<string, JsonValue> {
  try {
    const found: unknown = JSON.parse(text);
    return isObject(found) ? found : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `Retry-After` in seconds; its form with a date isn't used by this API. */
function secondsOf(value: string | null): number | undefined {
  return value !== null && /^\d+$/.test(value.trim()) ? Number(value) : undefined;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
