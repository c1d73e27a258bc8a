/**
 * Tokens: where they come from, when a new one is needed, and when asking again makes no sense.
 *
 * Laws:
 * - One question at a time: who asks while a token is being fetched gets the same one.
 * - A token that was refused isn't tried again; after three refused ones in a row, or where there is only one, it ends.
 * - A new token is asked for when four fifths of the life of the last one are over. One that has expired by this clock,
 *   and was accepted all the same, says that this clock is wrong: then the server tells when it is time.
 * - A token that the program hands over goes before what it would be asked for, and is good for new connections too,
 *   until it is refused or a newer one was got.
 */

import type { InterlockError } from "./errors.js";

/** Why a token is asked for. `connecting`: for a new connection. `expiring`, `expired`, `refused`: of the last one. */
export type TokenReason = "connecting" | "expiring" | "expired" | "refused";

/** A token, or what gets one. */
export type Token = string | ((reason: TokenReason) => string | Promise<string>);

const MAX_REFUSALS = 3;

/** The tokens of one client. */
export class Tokens {
  readonly #source: Token | undefined;
  /** Handed over, and not accepted yet. */
  #offered: string | undefined;
  /** Handed over, and accepted. */
  #given: string | undefined;
  /** The one that was accepted last. */
  #good: string | undefined;
  #refusals = 0;
  #last: string | undefined;
  #fetching: Promise<string> | undefined;
  #handOver: ((token: string) => void) | undefined;

  constructor(source?: Token) {
    this.#source = source;
  }

  /** Whether there is one, or something that gets one. */
  get exist(): boolean {
    return (this.#source ?? this.#given ?? this.#offered) !== undefined;
  }

  /** Whether a new one can be had. */
  get renewable(): boolean {
    return typeof this.#source === "function";
  }

  /** Takes a token that is handed over. Returns whether one is being fetched: whoever waits for it gets this one. */
  give(token: string): boolean {
    const handOver = this.#handOver;
    this.#offered = token;
    this.#handOver = undefined;
    handOver?.(token);
    return handOver !== undefined;
  }

  /** The next token to try. Rejects where there is none now; an empty one means that there is none any more. */
  async next(reason: TokenReason): Promise<string> {
    this.#fetching ??= this.#next(reason).finally(() => (this.#fetching = this.#handOver = undefined));
    return this.#fetching;
  }

  async #next(reason: TokenReason): Promise<string> {
    const handed = new Promise<string>((resolve) => (this.#handOver = resolve));
    const token = await Promise.race([handed, this.#fetch(reason)]);
    if (reason === "refused" && token === this.#last) return "";
    this.#last = token;
    return token;
  }

  /**
   * The token for a request beside the connection: the one in use or, after one was refused, a new one where one can be
   * got. Undefined where there is none.
   */
  async forRequest(refused?: string): Promise<string | undefined> {
    if (!this.exist) return undefined;
    if (refused !== undefined && refused === this.#good) this.#good = undefined;
    return this.#good ?? this.#fetching ?? this.#fetch(refused === undefined ? "connecting" : "expired");
  }

  async #fetch(reason: TokenReason): Promise<string> {
    const kept = this.#offered ?? this.#given;
    if (typeof this.#source !== "function") return kept ?? this.#source ?? "";
    if (reason === "connecting" && kept !== undefined) return kept;
    const given = this.#given;
    const token = await this.#source(reason);
    if (this.#given === given) this.#given = undefined;
    return token;
  }

  /** A token was accepted. */
  accepted(token: string): void {
    this.#good = token;
    this.#refusals = 0;
    if (token !== this.#offered) return;
    this.#given = token;
    this.#offered = undefined;
  }

  /** A token was refused, or couldn't be checked. Returns whether it was handed over, and others are left. */
  withdrawn(token: string): boolean {
    if (token !== this.#offered) return false;
    this.#offered = undefined;
    return this.exist;
  }

  /** The last one was refused. Returns whether another one may be tried. */
  refused(): boolean {
    this.#refusals += 1;
    return this.renewable && this.#refusals < MAX_REFUSALS;
  }
}

interface Handover {
  readonly token: string;
  readonly resolve: () => void;
  readonly reject: (error: InterlockError) => void;
}

/** Who handed over tokens that the server hasn't answered yet, in order: an answer to one is one to those before it. */
export class Handed {
  #waiting: Handover[] = [];

  add(token: string): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ token, resolve, reject }));
  }

  accepted(token: string): void {
    for (const each of this.#answered(token)) each.resolve();
  }

  refused(token: string, error: InterlockError): void {
    for (const each of this.#answered(token)) each.reject(error);
  }

  /** Nothing will be answered any more. */
  fail(error: InterlockError): void {
    for (const each of this.#waiting.splice(0)) each.reject(error);
  }

  #answered(token: string): Handover[] {
    return this.#waiting.splice(0, this.#waiting.map((each) => each.token).lastIndexOf(token) + 1);
  }
}

/** How many milliseconds after `now` a new token is due; undefined where the clock doesn't tell. */
export function renewalDue(expiresAt: string | undefined, now: number): number | undefined {
  if (expiresAt === undefined) return undefined;
  const left = Date.parse(expiresAt) - now;
  return left > 0 ? Math.max(500, left * 0.8) : undefined;
}
