/**
 * A question made by hand: what its form holds, and what is sent. Pure.
 *
 * Laws:
 * - Each way to answer is one pair of a type and a mode that fit together.
 */

import type { JsonValue } from "@interlock/client";

/** How it is answered. */
export type Way = "confirm" | "select" | "multi_select" | "input";

/** What the form holds. */
export interface Draft {
  readonly project: string;
  readonly to: string;
  /** Of a group: whether everybody is to respond, or the first does. */
  readonly everybody: boolean;
  readonly way: Way;
  readonly title: string;
  readonly message: string;
  /** One a line. */
  readonly options: string;
  readonly priority: "low" | "normal" | "high" | "urgent";
  /** How many hours it waits; 0 for as long as it takes. */
  readonly hours: number;
}

const TYPES: Record<Way, string> = { confirm: "approval", select: "review", multi_select: "input", input: "input" };
const GROUP = "group:";
const HOUR_MS = 60 * 60 * 1000;

/** Whether it is for a group. */
export function isForGroup({ to }: Draft): boolean {
  return to.startsWith(GROUP);
}

/** Whether options have to be given. */
export function hasOptions({ way }: Draft): boolean {
  return way === "select" || way === "multi_select";
}

function optionsOf({ options }: Draft): string[] {
  const lines = options.split("\n").map((line) => line.trim());
  return [...new Set(lines.filter(Boolean))];
}

/** Why it can't be sent yet; null where it can. */
export function missingIn(draft: Draft): string | null {
  if (draft.to.trim() === "") return "Say whom it is for.";
  if (draft.message.trim() === "") return "Write what is asked.";
  if (hasOptions(draft) && optionsOf(draft).length < 2) return "Give two options at least, one a line.";
  if (isForGroup(draft) && draft.everybody && draft.hours === 0) return "Say how long everybody has to respond.";
  return draft.project.trim() === "" ? "Say in which project it is asked." : null;
}

/** The body of the request; `now` is in milliseconds since 1970, by the server's clock. */
export function bodyOf(draft: Draft, now: number): Record<string, JsonValue> {
  const group = isForGroup(draft);
  const to = draft.to.trim();
  const spec = hasOptions(draft)
    ? { mode: draft.way, options: optionsOf(draft).map((value) => ({ value, label: value })) }
    : { mode: draft.way, ...(draft.way === "input" ? { multiline: true } : {}) };
  return {
    type: TYPES[draft.way],
    spec,
    target_actor: group ? { type: "group", id: to.slice(GROUP.length) } : { type: "member", id: to },
    message: draft.message.trim(),
    priority: draft.priority,
    ...(group ? { routing: draft.everybody ? "all_members" : "first_responder" } : {}),
    ...(draft.title.trim() === "" ? {} : { title: draft.title.trim() }),
    ...(draft.hours === 0 ? {} : { expires_at: new Date(now + draft.hours * HOUR_MS).toISOString() }),
  };
}
