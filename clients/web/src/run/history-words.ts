/** What happened in an instance, in words. Pure: entries as `GET …/history` tells them. */

import type { HistoryEvent, JsonValue } from "@interlock/client";
import { dateTimeOf } from "../ui/format.ts";

/** How an entry looks: a colour, as `Status` has them. */
export type Tone = "calm" | "busy" | "good" | "bad" | "ask";

/** One key of the data that an entry changed. */
export interface DataChange {
  readonly kind: "added" | "updated" | "removed";
  readonly key: string;
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** The words of an entry. */
export function historyWords(entry: HistoryEvent): string {
  const words = WORDS[`${entry.type}.${entry.subtype ?? ""}`];
  return words ? words(entry) : `${entry.type} ${entry.subtype ?? ""}`.trim();
}

/** The colour of an entry. */
export function historyTone({ type, subtype }: HistoryEvent): Tone {
  if (type === "error") return subtype === "will_retry" ? "ask" : "bad";
  if (type === "halt") return subtype === "entered" ? "ask" : "good";
  if (type === "lifecycle") return subtype === "failed" ? "bad" : subtype === "completed" ? "good" : "calm";
  return type === "transition" ? "busy" : "calm";
}

/** What an entry changed in the data, key by key. */
export function changesOf(entry: HistoryEvent): DataChange[] {
  const { added, updated, removed } = objectOf(entry["changes"]);
  return [
    ...Object.entries(objectOf(added)).map(([key, after]): DataChange => ({
      kind: "added",
      key,
      before: undefined,
      after,
    })),
    ...Object.entries(objectOf(updated)).map(([key, change]): DataChange => {
      const { from, to } = objectOf(change);
      return { kind: "updated", key, before: from, after: to };
    }),
    ...removedOf(removed),
  ];
}

function removedOf(removed: JsonValue | undefined): DataChange[] {
  const pairs: [string, JsonValue | undefined][] = Array.isArray(removed)
    ? removed.flatMap((key): [string, undefined][] => (typeof key === "string" ? [[key, undefined]] : []))
    : Object.entries(objectOf(removed));
  return pairs.map(([key, before]) => ({ kind: "removed", key, before, after: undefined }));
}

const TRIGGERS: Readonly<Record<string, string>> = {
  automatic: "",
  resume: " after an answer",
  timeout: " after its timeout",
  error: " because of an error",
  retry: ", to try again from there",
};

const WORDS: Readonly<Record<string, (entry: HistoryEvent) => string>> = {
  "lifecycle.created": (entry) => `Began at ${text(entry["initial_state"])}`,
  "lifecycle.thread_started": (entry) => `Thread ${threadWord(entry.thread)} began at ${text(entry["state"])}`,
  "lifecycle.thread_completed": (entry) => `Thread ${threadWord(entry.thread)} ended at ${text(entry["state"])}`,
  "lifecycle.completed": () => "Completed",
  "lifecycle.failed": (entry) => `Failed: ${text(entry["code"])}`,
  "lifecycle.cancelled": (entry) => `Cancelled${by(entry["cancelled_by"])}`,
  "lifecycle.expired": () => "Expired: its time was over",
  "transition.state_change": (entry) =>
    `From ${text(entry["from_state"])} to ${text(entry["to_state"])}${TRIGGERS[text(entry["trigger"])] ?? ""}`,
  "step.started": (entry) =>
    typeof entry["until"] === "string"
      ? `${stepWord(entry)} waits until ${dateTimeOf(Date.parse(entry["until"]))}`
      : `${stepWord(entry)} began${attempt(entry)}`,
  "step.completed": (entry) => `${stepWord(entry)} is done`,
  "step.data_merged": (entry) => `Entering ${text(entry["state"])} changed the data`,
  "halt.entered": (entry) => `Waits at ${text(entry["state"])}`,
  "signal.received": (entry) => `Signal ${text(entry["topic"])}${by(entry["sent_by"])}`,
  "halt.resumed": (entry) => `Answered at ${text(entry["state"])}${by(entry["resumed_by"])}`,
  "error.will_retry": (entry) => `${stepWord(entry)} failed, and is tried again${attempt(entry)}`,
  "error.failed": (entry) => `${stepWord(entry)} failed`,
};

function stepWord(entry: HistoryEvent): string {
  const state = text(entry["state"]);
  const step = text(entry["step"]);
  const what = entry["on_enter"] === true ? `The on_enter of ${state}` : state;
  return step === "" ? what : `${step} in ${what}`;
}

function attempt(entry: HistoryEvent): string {
  const number = entry["attempt"];
  return typeof number === "number" && number > 1 ? ` (attempt ${number})` : "";
}

function by(who: JsonValue | undefined): string {
  return typeof who === "string" && who !== "" ? ` by ${who}` : "";
}

/** A thread without its prefix. */
export function threadWord(thread: string | undefined): string {
  return (thread ?? "").replace(/^thread_/, "");
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function objectOf(value: JsonValue | undefined): Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
