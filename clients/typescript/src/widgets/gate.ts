/**
 * Which events of a widget are let through: one that is taken, and no other after it.
 *
 * Laws:
 * - A widget is armed until an event of it is under way. It is armed again when that is refused, and never after one was
 *   accepted: a second click answers nothing.
 * - What comes from a bundle is looked at as if a stranger had sent it: its name, its size, and that it is JSON.
 * - An event that needs a confirmation is sent only after the person pressed the page's own button.
 */

import { InterlockError } from "../errors.js";
import type { JsonValue } from "../protocol.js";
import type { AskedWidget, WidgetAnswer } from "./bundle.js";

/** The most that an event or a draft may bring, in bytes. */
export const MOST_DATA_BYTES = 256 * 1024;
export const MOST_DRAFT_BYTES = 16 * 1024;

/** Takes an event to where it counts; a rejection is a refusal. */
export type Sending = (event: string, data: Record<string, JsonValue>) => unknown;

/** Asks the person whether this is to be sent. */
export type Confirming = (event: string, data: Record<string, JsonValue>) => Promise<boolean>;

type Phase = "armed" | "busy" | "done";

/** The gate of one widget. */
export class Gate {
  readonly #widget: AskedWidget;
  readonly #send: Sending;
  readonly #confirm: Confirming;
  #phase: Phase = "armed";

  constructor(widget: AskedWidget, send: Sending, confirm: Confirming) {
    this.#widget = widget;
    this.#send = send;
    this.#confirm = confirm;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Lets an event through, if it may. */
  async let(event: unknown, data: unknown): Promise<WidgetAnswer> {
    if (this.#phase !== "armed") return refused("busy", "This was answered already, or its answer is under way.");
    const fault = this.#faultOf(event);
    if (fault !== null) return fault;
    const plain = jsonOf(data, MOST_DATA_BYTES);
    if (!isObject(plain)) return refused("invalid_data", `The data of an event is an object of JSON, ${LIMIT}.`);
    this.#phase = "busy";
    const answer = await this.#through(event as string, plain);
    this.#phase = answer.accepted ? "done" : "armed";
    return answer;
  }

  #faultOf(event: unknown): WidgetAnswer | null {
    const { events } = this.#widget;
    if (typeof event !== "string" || event === "") return refused("unknown_interaction", "An event has a name.");
    if (!events || events.includes(event)) return null;
    return refused("unknown_interaction", `This isn’t an event of this widget; it has ${events.join(", ")}.`);
  }

  async #through(event: string, data: Record<string, JsonValue>): Promise<WidgetAnswer> {
    try {
      if (this.#needsConfirmation(event) && !(await this.#confirm(event, data)))
        return refused("not_confirmed", "It was not sent.");
      await this.#send(event, data);
      return { accepted: true };
    } catch (error) {
      const code = error instanceof InterlockError ? error.code : "internal";
      return refused(code, error instanceof Error ? error.message : String(error));
    }
  }

  #needsConfirmation(event: string): boolean {
    const { confirm } = this.#widget;
    return confirm === true || (Array.isArray(confirm) && confirm.includes(event));
  }
}

const LIMIT = `at most ${MOST_DATA_BYTES / 1024} KB`;

function refused(code: string, message: string): WidgetAnswer {
  return { accepted: false, code, message };
}

/** A value as JSON has it; undefined where it isn't JSON, or too large. */
export function jsonOf(value: unknown, mostBytes: number): JsonValue | undefined {
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined || text.length > mostBytes) return undefined;
    return new TextEncoder().encode(text).length > mostBytes ? undefined : (JSON.parse(text) as JsonValue);
  } catch {
    return undefined; // a circle, or a number that JSON doesn't have
  }
}

function isObject(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
