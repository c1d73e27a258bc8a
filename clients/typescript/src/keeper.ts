/**
 * When runs are written to the memory.
 *
 * Laws:
 * - A run that streams is written at most twice a second, and once more when the page is about to go.
 * - A run whose view was too large is written less often: it is packed for nothing.
 */

import { isFinal } from "./events.js";
import type { Memory } from "./memory.js";
import type { Surroundings } from "./surroundings.js";
import type { RunView } from "./view.js";

const EVERY_MS = 500;
/** How much rarer a run is written whose view was too large to be kept. */
const LARGE_EVERY_MS = 10_000;

/** What waits to be written. */
export class Keeper {
  readonly #memory: Memory;
  readonly #unwatch: () => void;
  readonly #due = new Map<string, RunView>();
  readonly #large = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(memory: Memory, surroundings: Surroundings) {
    this.#memory = memory;
    this.#unwatch = surroundings.onLeave(() => this.flush());
  }

  /** A run has changed. */
  changed(view: RunView): void {
    if (view.lastIndex === null) return;
    this.#due.set(view.runId, view);
    if (isFinal(view.status)) this.#large.delete(view.runId);
    this.#timer ??= setTimeout(() => this.flush(), this.#large.has(view.runId) ? LARGE_EVERY_MS : EVERY_MS);
  }

  /** A run isn't to be written any more. */
  drop(runId: string): void {
    this.#due.delete(runId);
  }

  /** Writes what is due. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const view of this.#due.values()) {
      if (this.#memory.save(view)) this.#large.delete(view.runId);
      else this.#large.add(view.runId);
    }
    this.#due.clear();
  }

  close(): void {
    this.flush();
    this.#unwatch();
  }
}
