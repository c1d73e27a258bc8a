/**
 * How far a run of a state machine has come, as its events tell it. Pure.
 *
 * Laws:
 * - Each event is looked at once, however often the log grows.
 * - What happened before the events that are kept isn't known: `isWhole` says whether all of them were seen.
 */

import type { EventLog, RunMessage } from "@interlock/client";

/** What happened in one state. */
export interface StateProgress {
  /** How often it was entered. */
  readonly entered: number;
  /** How many threads are in it now. */
  readonly inside: number;
  /** Of those, how many wait for an answer. */
  readonly halted: number;
  /** A thread has ended in it, or stood in it when the run ended. */
  readonly isEnd: boolean;
  /** Its logic failed, and nothing has come of it since. */
  readonly failed: boolean;
}

/** How far a run has come. */
export interface Progress {
  readonly states: ReadonlyMap<string, StateProgress>;
  /** How often the way from one state to another was taken; by `wayKey`. */
  readonly ways: ReadonlyMap<string, number>;
  readonly isWhole: boolean;
}

/** What finds a way in `Progress.ways`. */
export function wayKey(from: string, to: string): string {
  return JSON.stringify([from, to]);
}

const NOTHING: StateProgress = { entered: 0, inside: 0, halted: 0, isEnd: false, failed: false };

interface Thread {
  state: string;
  isHalted: boolean;
  isOver: boolean;
}

/** Reads the log of one run. */
export class ProgressReader {
  #place = 0;
  #isWhole = true;
  #entered = new Map<string, number>();
  #ways = new Map<string, number>();
  #failed = new Set<string>();
  #threads = new Map<string, Thread>();
  #isOver = false;
  #told: Progress = { states: new Map(), ways: new Map(), isWhole: true };

  /** How far the run has come. */
  read(log: EventLog): Progress {
    if (log.end < this.#place) this.#begin();
    if (log.end === this.#place) return this.#told;
    if (log.start > this.#place) this.#isWhole = false;
    let hasChanged = false;
    for (let place = Math.max(this.#place, log.start); place < log.end; place++) {
      const message = log.at(place);
      if (message !== undefined) hasChanged = this.#fold(message) || hasChanged;
    }
    this.#place = log.end;
    if (hasChanged) this.#told = this.#progress();
    return this.#told;
  }

  #begin(): void {
    this.#place = 0;
    this.#isWhole = true;
    this.#isOver = false;
    for (const each of [this.#entered, this.#ways, this.#failed, this.#threads]) each.clear();
  }

  /** Whether the event says something of the machine. */
  #fold(event: Told): boolean {
    switch (event.event) {
      case "ThreadStarted":
        return this.#enter(event.thread_id, event.state);
      case "StateChanged": {
        if (event.trigger === "retry") return this.#leap(event);
        const key = wayKey(event.from_state ?? "", event.to_state ?? "");
        this.#ways.set(key, (this.#ways.get(key) ?? 0) + 1);
        return this.#enter(event.thread_id, event.to_state);
      }
      case "ThreadCompleted":
        return this.#settle(event.thread_id, (thread) => (thread.isOver = true));
      case "StepPaused":
        return this.#settle(event.thread_id, (thread) => (thread.isHalted = true));
      case "StepContinued":
        return this.#answered(event);
      case "StepsWithdrawn":
        return this.#withdrawn(event);
      case "StepError":
        return this.#broke(event);
      case "WorkflowCompleted":
      case "WorkflowError":
      case "WorkflowCancelled":
        return (this.#isOver = true);
      default:
        return false;
    }
  }

  #enter(thread: string | undefined, state: string | undefined): boolean {
    if (thread === undefined || state === undefined) return false;
    this.#entered.set(state, (this.#entered.get(state) ?? 0) + 1);
    this.#failed.delete(state);
    this.#threads.set(thread, { state, isHalted: false, isOver: false });
    return true;
  }

  /** It begins where another failed: it never was in the state that it comes from, and took no way. */
  #leap({ thread_id: thread, from_state: from = "", to_state: to }: Told): boolean {
    const entered = (this.#entered.get(from) ?? 1) - 1;
    if (entered > 0) this.#entered.set(from, entered);
    else this.#entered.delete(from);
    return this.#enter(thread, to);
  }

  #settle(thread: string | undefined, change: (thread: Thread) => void): boolean {
    const found = thread === undefined ? undefined : this.#threads.get(thread);
    if (found !== undefined) change(found);
    return found !== undefined;
  }

  #answered({ step_path: path = [] }: Told): boolean {
    return this.#settle(this.#threadIn(path), (thread) => (thread.isHalted = false));
  }

  #threadIn(path: readonly (string | number)[]): string | undefined {
    return path.map(String).find((part) => this.#threads.has(part));
  }

  /** Threads that were given up are where they were, and there no more. */
  #withdrawn({ step_paths: given = [] }: Told): boolean {
    for (const each of given) this.#settle(this.#threadIn(each), (thread) => (thread.isOver = true));
    return given.length > 0;
  }

  #broke({ step_path: path, will_retry: willRetry }: Told): boolean {
    if (willRetry === true || path === undefined || path.length < 3) return false;
    this.#failed.add(String(path[2]).replace(/:enter$/, ""));
    return true;
  }

  #progress(): Progress {
    const states = new Map<string, StateProgress>();
    const at = (name: string) => states.get(name) ?? NOTHING;
    for (const [name, entered] of this.#entered) states.set(name, { ...NOTHING, entered });
    for (const { state, isHalted, isOver } of this.#threads.values()) {
      const known = at(state);
      if (isOver || this.#isOver) states.set(state, { ...known, isEnd: true });
      else states.set(state, { ...known, inside: known.inside + 1, halted: known.halted + (isHalted ? 1 : 0) });
    }
    for (const name of this.#failed) states.set(name, { ...at(name), failed: true });
    return { states, ways: new Map(this.#ways), isWhole: this.#isWhole };
  }
}

/** What is read of events; others have more. */
type Told = RunMessage & {
  readonly event: string;
  readonly thread_id?: string;
  readonly state?: string;
  readonly from_state?: string;
  readonly to_state?: string;
  readonly trigger?: string;
  readonly step_path?: readonly (string | number)[];
  readonly step_paths?: readonly (readonly (string | number)[])[];
  readonly will_retry?: boolean;
};
