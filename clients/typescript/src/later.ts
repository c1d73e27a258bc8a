/** What is done in a moment, unless it is given up before. */

/** A bundle of timers. */
export class Later {
  readonly #ms: number;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  /** `ms`: how long a moment is. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Does something in a moment. */
  do(act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, this.#ms);
    this.#timers.add(timer);
  }

  /** Gives everything up. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
