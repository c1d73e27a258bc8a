/**
 * Who wants to be told.
 *
 * Laws:
 * - A listener that throws harms nobody else: its error is thrown again where nobody waits, for the page to report.
 * - Who leaves while all are told isn't told any more.
 */

/** Functions that are called alike. */
export class Listeners<A extends unknown[] = []> {
  readonly #told = new Set<(...args: A) => void>();

  get size(): number {
    return this.#told.size;
  }

  /** Adds a listener. Returns what takes it away. */
  add(listener: (...args: A) => void): () => void {
    const own = (...args: A) => listener(...args);
    this.#told.add(own);
    return () => void this.#told.delete(own);
  }

  tell(...args: A): void {
    for (const listener of this.#told) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
