/** How often something may be said. */

/** A bucket of tokens that fills again with time. */
export class Rate {
  readonly #most: number;
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  constructor(most: number, perSecond: number, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = most;
    this.#at = now();
  }

  /** Takes one; false where none is left. */
  take(): boolean {
    const now = this.#now();
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Calls with the newest value, at once and then at most once in so many milliseconds. */
export class Latest<T> {
  readonly #call: (value: T) => void;
  readonly #everyMs: number;
  #next: { value: T } | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(everyMs: number, call: (value: T) => void) {
    this.#everyMs = everyMs;
    this.#call = call;
  }

  give(value: T): void {
    this.#next = { value };
    if (this.#timer === undefined) this.flush();
  }

  /** Calls with what still waits. */
  flush(): void {
    const next = this.#next;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (next === null) return;
    this.#next = null;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, this.#everyMs);
    this.#call(next.value);
  }

  /** Forgets what still waits. */
  drop(): void {
    this.#next = null;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
