/**
 * What came of a run, in order: the last so many messages of it, or all.
 *
 * Laws:
 * - A place in the log is a number that stays: the first message that came has place 0, kept or not.
 * - A bounded log keeps the last `limit` messages at least and twice as many at most, and costs the same for each.
 * - It never changes; adding makes a new one.
 */

import type { RunMessage } from "./events.js";
import { List } from "./persistent.js";

/** A run's log as this client has it. Made by `EventLog.empty()`. */
export class EventLog implements Iterable<RunMessage> {
  readonly limit: number;
  /** The place of the first message that is kept. */
  readonly start: number;
  readonly #older: List<RunMessage>;
  readonly #newer: List<RunMessage>;

  private constructor(limit: number, start: number, older: List<RunMessage>, newer: List<RunMessage>) {
    this.limit = limit;
    this.start = start;
    this.#older = older;
    this.#newer = newer;
  }

  /** A log that keeps `limit` messages; `Infinity` for all. */
  static empty(limit: number): EventLog {
    return new EventLog(Math.max(1, limit), 0, List.of(), List.of());
  }

  /** The place of the next message. */
  get end(): number {
    return this.start + this.length;
  }

  /** How many messages are kept. */
  get length(): number {
    return this.#older.length + this.#newer.length;
  }

  /** The message at a place; undefined where it isn't kept, or not there yet. */
  at(place: number): RunMessage | undefined {
    const offset = place - this.start;
    if (offset < 0) return undefined;
    return offset < this.#older.length ? this.#older.at(offset) : this.#newer.at(offset - this.#older.length);
  }

  /** This log and one more message. */
  push(message: RunMessage): EventLog {
    if (this.#newer.length < this.limit) {
      return new EventLog(this.limit, this.start, this.#older, this.#newer.push(message));
    }
    return new EventLog(this.limit, this.start + this.#older.length, this.#newer, List.of(message));
  }

  /** The messages from one place up to, not including, another. */
  slice(from = this.start, to = this.end): RunMessage[] {
    const [first, last] = [from - this.start, to - this.start];
    const older = this.#older.slice(first, last);
    return older.concat(this.#newer.slice(first - this.#older.length, last - this.#older.length));
  }

  *[Symbol.iterator](): Generator<RunMessage> {
    yield* this.#older;
    yield* this.#newer;
  }
}
