/**
 * Tokens: where they come from, when a new one is needed, and when asking again makes no sense.
 *
 * Laws:
 * - One question at a time: who asks while a token is being fetched gets the same one.
 * - A token that was refused isn't tried again; after three refused ones in a row, or where there is only one, it ends.
 * - A new token is asked for when four fifths of the life of the last one are over.
 */

/** Why a token is asked for. `connecting`: for a new connection. `expiring`, `expired`, `refused`: of the last one. */
export type TokenReason = "connecting" | "expiring" | "expired" | "refused";

/** A token, or what gets one. */
export type Token = string | ((reason: TokenReason) => string | Promise<string>);

const MAX_REFUSALS = 3;

/** The tokens of one client. */
export class Tokens {
  readonly #source: Token;
  #refusals = 0;
  #last: string | undefined;
  #fetching: Promise<string> | undefined;

  constructor(source: Token) {
    this.#source = source;
  }

  /** Whether a new one can be had. */
  get renewable(): boolean {
    return typeof this.#source === "function";
  }

  /** The next token to try. Rejects where there is none now; an empty one means that there is none any more. */
  async next(reason: TokenReason): Promise<string> {
    this.#fetching ??= this.#fetch(reason).finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(reason: TokenReason): Promise<string> {
    const token = typeof this.#source === "function" ? await this.#source(reason) : this.#source;
    if (reason === "refused" && token === this.#last) return "";
    this.#last = token;
    return token;
  }

  /** The last one was accepted. */
  accepted(): void {
    this.#refusals = 0;
  }

  /** The last one was refused. Returns whether another one may be tried. */
  refused(): boolean {
    this.#refusals += 1;
    return this.renewable && this.#refusals < MAX_REFUSALS;
  }
}

/** How many milliseconds after `now` a new token is due; undefined for one that doesn't expire. */
export function renewalDue(expiresAt: string | undefined, now: number): number | undefined {
  if (expiresAt === undefined) return undefined;
  const left = Date.parse(expiresAt) - now;
  return Number.isNaN(left) ? undefined : Math.max(500, left * 0.8);
}
