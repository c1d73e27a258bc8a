/**
 * How long to wait before the next try.
 *
 * Laws:
 * - Full jitter: any time between nothing and the bound, so that a thousand clients of a restarted server don't return
 *   together.
 * - The bound doubles with each failure, up to the longest; progress, and nothing else, brings it back.
 */

/** The fewest failures that count after the server itself asked for distance (4500-4999). */
const SENT_AWAY = 3;

/** The delays of one connection, in milliseconds. */
export class Backoff {
  readonly first: number;
  readonly longest: number;
  failures = 0;
  readonly #random: () => number;

  /** `random` draws from 0 up to, not including, 1. */
  constructor(options: { first?: number; longest?: number; random?: () => number } = {}) {
    this.first = options.first ?? 200;
    this.longest = options.longest ?? 15_000;
    this.#random = options.random ?? Math.random;
  }

  /** The longest that the next delay can be. */
  get bound(): number {
    return Math.min(this.longest, this.first * 2 ** Math.min(this.failures, 64));
  }

  /** The next delay; counts as one more failure. */
  delay(): number {
    const drawn = this.#random() * this.bound;
    this.failures += 1;
    return drawn;
  }

  /** The connection was good for something. */
  progressed(): void {
    this.failures = 0;
  }

  /** The server is there, and wants to be left alone for a moment. */
  sentAway(): void {
    this.failures = Math.max(this.failures, SENT_AWAY);
  }
}
