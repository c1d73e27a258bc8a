/**
 * The connection to a server, made again whenever it is lost.
 *
 * Laws:
 * - A close code of the final band, a token that is refused for good, and a server that doesn't keep to the protocol end
 *   the link; all else is a failure of the moment.
 * - What is sent while there is no connection isn't kept here: `ready` says when to send it (again).
 * - The network coming back, or the page becoming visible, ends the waiting at once; a connection that is there then is
 *   asked for a sign of life.
 * - `server_error` isn't a refusal of the token: the server couldn't tell.
 * - Tokens are answered in the order in which they were sent. While another one is under way, a refusal ends nothing; and
 *   one that the program handed over never does, as long as the old one is good.
 */

import type { Backoff } from "./backoff.js";
import { closing } from "./closing.js";
import type { Codec } from "./codec.js";
import { NOBODY, type ConnectionPhase, type Identity } from "./connection.js";
import { InterlockError } from "./errors.js";
import type { Received } from "./events.js";
import type { AuthError, Authenticated, AuthRequired, Connected } from "./protocol.js";
import { Socket, type Ending, type Patience, type WebSocketConstructor } from "./socket.js";
import { Handed, renewalDue, type TokenReason, type Tokens } from "./tokens.js";
import type { Surroundings } from "./surroundings.js";
import { assertCarried } from "./wire.js";

const MAX_VIOLATIONS = 5;
const RENEW_AGAIN_MS = 5_000;
const LONGEST_TIMER = 2 ** 31 - 1;

/** How to connect. */
export interface LinkOptions {
  url: string;
  codec: Codec;
  tokens: Tokens;
  WebSocket: WebSocketConstructor;
  patience: Patience;
  backoff: Backoff;
  surroundings: Surroundings;
}

/** Who the link works for. */
export interface LinkListener {
  /** Messages can be sent: after each connection, and after a new token where the old one had expired. */
  ready(): void;
  /** A fresh token was accepted, on a connection that had one. */
  renewed(): void;
  /** The connection is gone; another one is being made. */
  lost(): void;
  /** A message came, other than of connecting and authenticating. */
  received(message: Received): void;
  /** `phase` or `identity` is another one. */
  changed(): void;
  /** There is no connection any more, for good. */
  ended(error: InterlockError): void;
}

/** What a connection is good for. */
type Stage = "none" | "greeting" | "authenticating" | "ready" | "expired";

/** What the link is doing: `live` stands for every connection that can be used. */
export type LinkPhase = Exclude<ConnectionPhase, { phase: "replaying" }>;

/** The connection, and the timers that keep it. */
export class Link {
  phase: LinkPhase = { phase: "connecting" };
  identity: Identity = NOBODY;
  readonly #options: LinkOptions;
  readonly #listener: LinkListener;
  readonly #unwatch: () => void;
  #socket: Socket | null = null;
  #stage: Stage = "none";
  /** The tokens that the server hasn't answered yet, on this connection. */
  #sent: string[] = [];
  readonly #handed = new Handed();
  #maxBytes = Infinity;
  #violations = 0;
  #lostAt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LinkOptions, listener: LinkListener) {
    this.#options = options;
    this.#listener = listener;
    this.#unwatch = options.surroundings.onReturn(() => this.wake());
  }

  /** Begins to connect. */
  start(): void {
    this.#connect();
  }

  /** Whether an action can be sent now. */
  get ready(): boolean {
    return this.#stage === "ready";
  }

  /** Sends a message; only when `ready`. Throws, and sends nothing, where it is too large or can't be carried. */
  send(message: object): void {
    assertCarried(message);
    const size = this.#socket?.sizeOf(message) ?? 0;
    if (size > this.#maxBytes) {
      const sentence = `The message has ${size} bytes; the server accepts at most ${this.#maxBytes}.`;
      throw new InterlockError("message_too_large", sentence);
    }
    this.#socket?.send(message);
  }

  /** Goes on with this token, here or on the next connection. Resolves when the server has accepted it. */
  authenticate(token: string): Promise<void> {
    if (this.phase.phase === "closed") return Promise.reject(this.phase.error);
    const accepted = this.#handed.add(token);
    const isAwaited = this.#options.tokens.give(token);
    if (!isAwaited && this.#stage !== "none" && this.#stage !== "greeting") this.#present(token);
    return accepted;
  }

  /** Lets the program have its turn before the next message. */
  hold(): void {
    this.#socket?.hold();
  }

  /** The network may be back: tries at once, or asks a connection that is there for a sign of life. */
  wake(): void {
    if (this.phase.phase === "offline" && this.#socket === null) this.#connect();
    else if (this.#stage === "ready") this.#socket?.probe();
  }

  /** Ends the link for good. */
  close(error: InterlockError): void {
    if (this.phase.phase === "closed") return;
    this.#forgetTimers();
    this.#unwatch();
    this.#stage = "none";
    this.phase = { phase: "closed", error };
    const socket = this.#socket;
    this.#socket = null;
    socket?.abandon("closed by this client");
    this.#handed.fail(error);
    this.#listener.ended(error);
    this.#listener.changed();
  }

  // ── One connection ──────────────────────────────────────────────────────────────────────────────────

  #connect(): void {
    clearTimeout(this.#retry);
    const { WebSocket, url, codec, patience } = this.#options;
    this.#stage = "greeting";
    this.#sent = [];
    try {
      const socket: Socket = new Socket(WebSocket, url, codec, patience, {
        received: (message) => this.#isCurrent(socket) && this.#received(message),
        violated: (error) => this.#isCurrent(socket) && this.#violated(error),
        ended: (ending) => this.#isCurrent(socket) && this.#lost(ending),
      });
      this.#socket = socket;
    } catch (error) {
      // A page of https can't open ws://, say.
      this.close(new InterlockError("disconnected", `${url} can't be opened: ${String(error)}.`, { cause: error }));
    }
  }

  #isCurrent(socket: Socket): boolean {
    return this.#socket === socket;
  }

  #received(message: Received): void {
    switch (message.event) {
      case "connected":
        return this.#greeted(message as Connected);
      case "authenticated":
        return this.#authenticated(message as Authenticated);
      case "auth_error":
        return this.#refused(message as AuthError);
      case "auth_required":
        return this.#expired(message as AuthRequired);
      default:
        if (message.event !== "error") this.#progressed();
        return this.#listener.received(message);
    }
  }

  #progressed(): void {
    this.#options.backoff.progressed();
    this.#violations = 0;
  }

  #violated(error: Error): void {
    this.#violations += 1;
    if (this.#violations < MAX_VIOLATIONS) return this.#socket?.abandon(`not the protocol: ${error.message}`);
    const sentence = `${this.#options.url} doesn't keep to the protocol: ${error.message}.`;
    this.close(new InterlockError("disconnected", sentence, { cause: error }));
  }

  // ── Authentication ──────────────────────────────────────────────────────────────────────────────────

  #greeted(connected: Connected): void {
    this.#maxBytes = connected.max_message_bytes;
    if (this.#options.tokens.exist) void this.#authenticate("connecting");
    else if (connected.requires_auth)
      this.#unauthorized("auth_required", "The server asks for a token; pass token: ….");
    else this.#isReady();
  }

  async #authenticate(reason: TokenReason): Promise<void> {
    const socket = this.#socket;
    let token: string;
    try {
      token = await this.#options.tokens.next(reason);
    } catch (error) {
      // The old one may still be good; where it isn't, the next connection asks again, with its backoff.
      if (this.#socket !== socket) return;
      if (this.#stage === "ready") this.#renewIn(RENEW_AGAIN_MS);
      else socket?.abandon(`no token: ${String(error)}`);
      return;
    }
    if (this.#socket !== socket || socket === null) return;
    if (token === "") {
      this.#unauthorized("invalid_token", "There is no other token.");
      return;
    }
    if (this.#stage === "greeting") this.#stage = "authenticating";
    this.#present(token);
  }

  #present(token: string): void {
    this.#sent.push(token);
    this.#socket?.send({ action: "authenticate", token });
  }

  #authenticated(message: Authenticated): void {
    const token = this.#sent.shift() ?? "";
    this.identity = identityOf(message, this.identity);
    this.#options.tokens.accepted(token);
    this.#handed.accepted(token);
    const due = renewalDue(message.expires_at, Date.now());
    if (this.#stage !== "ready") {
      this.#renewIn(due);
      return this.#isReady();
    }
    this.#renewIn(due && Math.max(due, RENEW_AGAIN_MS)); // a clock that is wrong makes every token expire too soon
    this.#listener.renewed();
    this.#listener.changed();
  }

  #renewIn(due: number | undefined): void {
    clearTimeout(this.#renewal);
    if (due === undefined || !this.#options.tokens.renewable) return;
    this.#renewal = setTimeout(() => void this.#authenticate("expiring"), Math.min(due, LONGEST_TIMER));
  }

  #refused(message: AuthError): void {
    const { tokens } = this.#options;
    const token = this.#sent.shift() ?? "";
    const isUnknown = message.code === "server_error";
    if (isUnknown && this.#stage !== "ready") return this.#socket?.abandon("the server can't check tokens now");
    this.#handed.refused(token, new InterlockError(message.code, message.error, { retryable: isUnknown }));
    const others = tokens.withdrawn(token);
    if (isUnknown || this.#sent.length > 0 || (others && this.#stage === "ready")) return undefined;
    if (others && this.#stage === "authenticating") void this.#authenticate("connecting");
    else if (tokens.refused()) void this.#authenticate("refused");
    else this.#unauthorized(message.code, message.error);
    return undefined;
  }

  #expired(message: AuthRequired): void {
    if (!this.#options.tokens.renewable) return this.#unauthorized(message.code, message.error);
    if (this.#stage !== "ready") return; // a new one is being fetched
    this.#stage = "expired";
    this.#listener.lost();
    void this.#authenticate("expired");
  }

  #unauthorized(code: string, sentence: string): void {
    this.close(new InterlockError(code, sentence));
  }

  #isReady(): void {
    this.#stage = "ready";
    this.phase = { phase: "live" };
    this.#lostAt = 0;
    this.#socket?.established();
    this.#listener.ready();
    this.#listener.changed();
  }

  // ── Again ───────────────────────────────────────────────────────────────────────────────────────────

  #lost(ending: Ending): void {
    this.#forgetTimers();
    this.#socket = null;
    this.#stage = "none";
    const kind = closing(ending.code);
    if (kind === "final") {
      const sentence = `The server closed the connection for good: ${ending.reason} (${ending.code}).`;
      return this.close(new InterlockError("disconnected", sentence, { closeCode: ending.code }));
    }
    if (kind === "away") this.#options.backoff.sentAway();
    this.#lostAt ||= Date.now();
    const attempt = this.#options.backoff.failures + 1;
    const delay = this.#options.backoff.delay();
    this.#retry = setTimeout(() => this.#connect(), delay);
    const times = { since: this.#lostAt, retryAt: Date.now() + delay, attempt };
    this.phase = { phase: "offline", ...times, reason: ending.reason };
    this.#listener.lost();
    this.#listener.changed();
  }

  #forgetTimers(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#renewal);
  }
}

/** Who the server says this client is; the same object as before, as long as it says the same. */
function identityOf(said: Authenticated, before: Identity): Identity {
  const { user_id: userId, scopes, account = null } = said;
  const namespaces = said.namespaces ?? [];
  const groups = said.groups ?? null;
  const isSame =
    before.userId === userId &&
    before.account === account &&
    before.scopes.join(" ") === scopes.join(" ") &&
    before.namespaces.join(" ") === namespaces.join(" ") &&
    JSON.stringify(before.groups) === JSON.stringify(groups);
  return isSame ? before : { userId, scopes, account, namespaces, groups };
}
