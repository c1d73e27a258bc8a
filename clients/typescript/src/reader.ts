/**
 * A loop over the messages of a run: a cursor on its log.
 *
 * Laws:
 * - Each message comes once, in order, from the first one that the log keeps.
 * - A loop that is slow holds the run back before the log forgets what it hasn't read: see `Run`.
 * - It ends after the last event, or with the error that ends the run's stream, once everything before was read.
 */

import type { RunMessage } from "./events.js";
import type { EventLog } from "./log.js";

/** What is read. */
export interface Source {
  readonly log: EventLog;
  /** Nothing more will come: why, or `true` for the run's own end; `false` as long as more may. */
  readonly over: Error | boolean;
  /** A message was read. */
  read(): void;
  left(reader: Reader): void;
}

/** One loop. */
export class Reader implements AsyncIterableIterator<RunMessage> {
  readonly #source: Source;
  /** The place of the next message. */
  place: number;
  #wakers: (() => void)[] = [];
  #left = false;

  constructor(source: Source) {
    this.#source = source;
    this.place = source.log.start;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<RunMessage, undefined>> {
    for (;;) {
      if (this.#left) return { done: true, value: undefined };
      const message = this.#source.log.at(this.place);
      if (message !== undefined) {
        this.place += 1;
        this.#source.read();
        return { done: false, value: message };
      }
      const { over } = this.#source;
      if (over !== false) return this.#finish(over);
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }

  return(): Promise<IteratorResult<RunMessage, undefined>> {
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** There is news: a message, or the end. */
  wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const waker of wakers) waker();
  }

  #finish(over: Error | true): IteratorResult<RunMessage, undefined> {
    this.#leave();
    if (over instanceof Error) throw over;
    return { done: true, value: undefined };
  }

  #leave(): void {
    this.#left = true;
    this.#source.left(this);
    this.wake();
  }
}
