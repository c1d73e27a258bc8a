/**
 * Which messages of a log are listed, where a text is looked for.
 *
 * Laws:
 * - Each message is looked at once for each text, however often the log grows.
 * - Without a text, all are listed, and none is looked at.
 */

import type { EventLog, RunMessage } from "@interlock/client";

/** The places of the messages that a text is found in. */
export class Matches {
  #text = "";
  #place = 0;
  #found: number[] = [];

  /** How many there are, and the place of each. */
  of(log: EventLog, text: string): { length: number; at: (row: number) => number } {
    const wanted = text.trim().toLowerCase();
    if (wanted === "") return { length: log.length, at: (row) => log.start + row };
    if (wanted !== this.#text) this.#begin(wanted);
    for (let place = Math.max(this.#place, log.start); place < log.end; place++) {
      const message = log.at(place);
      if (message !== undefined && isFound(message, wanted)) this.#found.push(place);
    }
    this.#place = log.end;
    const found = this.#found;
    return { length: found.length, at: (row) => found[row] ?? -1 };
  }

  #begin(text: string): void {
    this.#text = text;
    this.#place = 0;
    this.#found = [];
  }
}

/** The name of the step that a message is about; empty where it is about none. */
export function stepOf(message: RunMessage): string {
  return "step_name" in message && typeof message.step_name === "string" ? message.step_name : "";
}

function isFound(message: RunMessage, text: string): boolean {
  if (message.event.toLowerCase().includes(text)) return true;
  return stepOf(message).toLowerCase().includes(text);
}
