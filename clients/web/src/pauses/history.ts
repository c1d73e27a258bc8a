/**
 * What was asked in a run, and when each step was first heard of: read from its log, for cards that stay in place.
 *
 * Laws:
 * - Each message of the log is read once, in order, however often the log grows; pieces of streamed content aren't.
 * - A question is what the server asked, as a whole where that was told.
 * - A gap makes what was before unknown.
 */

import {
  applyEvents,
  initialView,
  isSnapshot,
  type EventLog,
  type JsonValue,
  type Pending,
  type RunEvent,
  type RunMessage,
} from "@interlock/client";

/** One question of a run. */
export type Question = Pending & {
  /** What finds its step. */
  readonly stepKey: string;
  /** The index of the event that asked. */
  readonly index: number;
  /** When it was asked, in milliseconds since 1970. */
  readonly askedAt: number;
};

/** What a log says of a run's past. */
export interface Past {
  /** By id, in the order in which they were asked. */
  readonly questions: ReadonlyMap<string, Question>;
  /** By the key of a step. */
  readonly byStep: ReadonlyMap<string, readonly Question[]>;
  /** The index of the first event of each step, by its key. */
  readonly first: ReadonlyMap<string, number>;
}

/** What a question is about: the output under review. */
export function outputOf(question: Question): JsonValue | undefined {
  return question.kind === "error_decision" ? undefined : question.requirement.step_output;
}

/** What finds a step in `RunView.steps`. */
export function keyOf(path: readonly (string | number)[], visit: number): string {
  return `${JSON.stringify(path)}#${visit}`;
}

/** Reads a log that grows. */
export class History {
  #place = 0;
  #questions = new Map<string, Question>();
  #first = new Map<string, number>();
  #prelude: RunEvent | null = null;
  #past: Past = { questions: this.#questions, byStep: new Map(), first: this.#first };
  #isStale = false;

  /** The past after all that is in the log; the same object while that says nothing new. */
  read(log: EventLog): Past {
    for (let place = Math.max(this.#place, log.start); place < log.end; place++) {
      const message = log.at(place);
      if (message !== undefined) this.#take(message);
    }
    this.#place = log.end;
    if (this.#isStale) this.#past = this.#drawn();
    this.#isStale = false;
    return this.#past;
  }

  #take(message: RunMessage): void {
    if (message.event === "RunResponseContentEvent") return;
    if (message.event === "gap") return this.#forget();
    if (isSnapshot(message)) this.#forget();
    if (hasPlace(message)) this.#enter(message);
    if (message.event === "StepPaused" || message.event === "WorkflowRunOutput") this.#ask(message as RunEvent);
    this.#prelude = message as RunEvent;
  }

  #enter(message: Placed): void {
    const key = keyOf(message.step_path, message.visit);
    if (this.#first.has(key)) return;
    this.#first.set(key, message.event_index);
    this.#isStale = true;
  }

  #ask(event: RunEvent): void {
    const before = event.event === "StepPaused" && this.#prelude ? [this.#prelude] : [];
    const { pending } = applyEvents(initialView(""), [...before, event]);
    for (const each of pending) {
      const known = this.#questions.get(each.id);
      if (known?.whole) continue;
      const { step_path: path, visit } = each.requirement;
      const told = { index: indexOf(event), askedAt: event.created_at, stepKey: keyOf(path, visit) };
      const { index, askedAt, stepKey } = known ?? told;
      this.#questions.set(each.id, { ...each, index, askedAt, stepKey });
      this.#isStale = true;
    }
  }

  #forget(): void {
    this.#questions = new Map();
    this.#first = new Map();
    this.#isStale = true;
  }

  #drawn(): Past {
    const byStep = new Map<string, Question[]>();
    for (const question of this.#questions.values()) {
      const found = byStep.get(question.stepKey);
      if (found) found.push(question);
      else byStep.set(question.stepKey, [question]);
    }
    return { questions: new Map(this.#questions), byStep, first: this.#first };
  }
}

/** Of a snapshot, which has no index, the last one that it stands for. */
function indexOf(event: RunEvent): number {
  return event.event_index ?? ("as_of" in event ? event.as_of : undefined) ?? 0;
}

interface Placed {
  step_path: (string | number)[];
  visit: number;
  event_index: number;
}

function hasPlace(message: object): message is Placed {
  return "step_path" in message && "event_index" in message && "visit" in message;
}
