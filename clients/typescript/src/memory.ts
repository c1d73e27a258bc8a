/**
 * What a page remembers of the runs that it follows, so that it goes on after a reload.
 *
 * Laws:
 * - What is kept of a run is its view and the place of that view, in one record: they never disagree.
 * - It is bounded: the last `maxRuns` runs, and of each no view that is larger than `maxBytes`. A run without a view is
 *   replayed from its start.
 * - A storage that is full, forbidden or broken costs what would have been remembered, and nothing else.
 */

import type { EventLog } from "./log.js";
import { List } from "./persistent.js";
import { Steps, unknownRun, type RunView, type StepView } from "./view.js";

/** Where records are kept: `localStorage`, `sessionStorage`, or anything like it. */
export interface StorageLike {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A run that is remembered. */
export interface Remembered {
  runId: string;
  workflowId: string | null;
  epoch: number | null;
  lastEventIndex: number | null;
}

const VERSION = 1;

type Packed<T> = { [K in keyof T]: T[K] extends List<infer I> ? I[] : T[K] };

interface Record extends Remembered {
  version: typeof VERSION;
  view: PackedView | null;
}

type PackedView = Packed<Omit<RunView, "log" | "steps">> & { steps: Packed<StepView>[] };

/** The records of one client. */
export class Memory {
  readonly #storage: StorageLike;
  readonly #prefix: string;
  readonly #maxRuns: number;
  readonly #maxBytes: number;

  constructor(storage: StorageLike, options: { prefix?: string; maxRuns?: number; maxBytes?: number } = {}) {
    this.#storage = storage;
    this.#prefix = options.prefix ?? "interlock";
    this.#maxRuns = options.maxRuns ?? 20;
    this.#maxBytes = options.maxBytes ?? 256 * 1024;
  }

  /** The runs that are remembered, the latest first. */
  get runs(): readonly Remembered[] {
    return this.#ids().flatMap((runId) => {
      const record = this.#record(runId);
      if (record === null) return [];
      const { workflowId, epoch, lastEventIndex } = record;
      return [{ runId, workflowId, epoch, lastEventIndex }];
    });
  }

  /** Remembers a run as it is. Returns whether its view was small enough. */
  save(view: RunView): boolean {
    const place = { workflowId: view.workflowId, epoch: view.epoch, lastEventIndex: view.lastIndex };
    const record: Record = { version: VERSION, runId: view.runId, ...place, view: packed(view) };
    const whole = JSON.stringify(record);
    const fits = whole.length <= this.#maxBytes;
    this.#write(this.#key(view.runId), fits ? whole : JSON.stringify({ ...record, view: null }));
    this.#use(view.runId);
    return fits;
  }

  /** The view that is remembered of a run, with an empty log; null where there is none. */
  load(runId: string, log: EventLog): RunView | null {
    const record = this.#record(runId);
    if (record?.view == null) return null;
    try {
      return unpacked(record.view, log);
    } catch {
      return null; // somebody else's record
    }
  }

  /** Forgets a run. */
  forget(runId: string): void {
    this.#remove(this.#key(runId));
    this.#write(`${this.#prefix}:runs`, JSON.stringify(this.#ids().filter((id) => id !== runId)));
  }

  /** The run is the latest; those beyond the bound are forgotten. */
  #use(runId: string): void {
    const known = this.#ids();
    if (known[0] === runId) return;
    const ids = [runId, ...known.filter((id) => id !== runId)];
    for (const old of ids.slice(this.#maxRuns)) this.#remove(this.#key(old));
    this.#write(`${this.#prefix}:runs`, JSON.stringify(ids.slice(0, this.#maxRuns)));
  }

  #ids(): string[] {
    const ids = this.#read(`${this.#prefix}:runs`);
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  }

  #record(runId: string): Record | null {
    const found = this.#read(this.#key(runId)) as Partial<Record> | null;
    return found?.version === VERSION && found.runId === runId ? (found as Record) : null;
  }

  #key(runId: string): string {
    return `${this.#prefix}:run:${runId}`;
  }

  #read(key: string): unknown {
    try {
      return JSON.parse(this.#storage.getItem(key) ?? "null");
    } catch {
      return null;
    }
  }

  #write(key: string, value: string): void {
    try {
      this.#storage.setItem(key, value);
    } catch {
      this.#remove(key); // better nothing than something old beside a place that is new
    }
  }

  #remove(key: string): void {
    try {
      this.#storage.removeItem(key);
    } catch {
      // It isn't there, or nobody may touch it.
    }
  }
}

function packed(view: RunView): PackedView {
  const { log: _log, steps, decisions, unknown, ...rest } = view;
  return { ...rest, decisions: [...decisions], unknown: [...unknown], steps: [...steps].map(packedStep) };
}

function packedStep(step: StepView): Packed<StepView> {
  const { children, attempts, pieces, toolCalls, custom, ...rest } = step;
  return {
    ...rest,
    children: [...children],
    attempts: [...attempts],
    pieces: [...pieces],
    toolCalls: [...toolCalls],
    custom: [...custom],
  };
}

function unpacked(packed: PackedView, log: EventLog): RunView {
  const { steps, decisions, unknown, ...rest } = packed;
  return {
    ...unknownRun(packed.runId, log),
    ...rest,
    decisions: List.from(decisions),
    unknown: List.from(unknown),
    steps: steps.reduce((all, step) => all.added(unpackedStep(step)), Steps.none),
  };
}

/** The step; those in it are entered after it, one by one. */
function unpackedStep(step: Packed<StepView>): StepView {
  return {
    ...step,
    content: step.content,
    children: List.of(),
    attempts: List.from(step.attempts),
    pieces: List.from(step.pieces),
    toolCalls: List.from(step.toolCalls),
    custom: List.from(step.custom),
  };
}
