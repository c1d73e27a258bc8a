import { describe, expect, it } from "vitest";
import type { HistoryEvent } from "@interlock/client";
import { tallied } from "../../src/errors/tally.ts";
import { pathThrough } from "../../src/diagram/graph.ts";
import { changesOf, historyTone, historyWords } from "../../src/run/history-words.ts";
import { dateTimeOf } from "../../src/ui/format.ts";

const UNTIL = "2030-01-31T09:00:00.000Z";
const SHOWN = dateTimeOf(Date.parse(UNTIL));

const entry = (type: HistoryEvent["type"], subtype: string, more: Record<string, unknown> = {}) =>
  ({ id: "evt_0-1", type, subtype, ...more }) as HistoryEvent;

describe("an entry of the history", () => {
  it.each([
    [entry("lifecycle", "created", { initial_state: "a" }), "Began at a", "calm"],
    [entry("lifecycle", "thread_started", { thread: "thread_x", state: "b" }), "Thread x began at b", "calm"],
    [
      entry("transition", "state_change", { from_state: "a", to_state: "b", trigger: "automatic" }),
      "From a to b",
      "busy",
    ],
    [
      entry("transition", "state_change", { from_state: "a", to_state: "b", trigger: "timeout" }),
      "From a to b after its timeout",
      "busy",
    ],
    [
      entry("transition", "state_change", { from_state: "a", to_state: "b", trigger: "retry" }),
      "From a to b, to try again from there",
      "busy",
    ],
    [entry("step", "started", { state: "a", attempt: 1, until: UNTIL }), `a waits until ${SHOWN}`, "calm"],
    [entry("halt", "entered", { state: "a" }), "Waits at a", "ask"],
    [entry("halt", "resumed", { state: "a", resumed_by: "ada" }), "Answered at a by ada", "good"],
    [entry("error", "will_retry", { state: "a", attempt: 2 }), "a failed, and is tried again (attempt 2)", "ask"],
    [entry("error", "failed", { state: "a", on_enter: true }), "The on_enter of a failed", "bad"],
    [entry("lifecycle", "failed", { code: "http_error" }), "Failed: http_error", "bad"],
    [entry("step", "something_new"), "step something_new", "calm"],
  ])("%j is told in words and has a colour", (told, words, tone) => {
    expect([historyWords(told), historyTone(told)]).toEqual([words, tone]);
  });

  it("tells what it changed, key by key", () => {
    const changes = { added: { a: 1 }, updated: { b: { from: 1, to: null } }, removed: ["c"] };
    expect(changesOf(entry("transition", "state_change", { changes }))).toEqual([
      { kind: "added", key: "a", before: undefined, after: 1 },
      { kind: "updated", key: "b", before: 1, after: null },
      { kind: "removed", key: "c", before: undefined, after: undefined },
    ]);
    expect(changesOf(entry("transition", "state_change", { changes: { removed: { d: 2 } } }))).toMatchObject([
      { kind: "removed", key: "d", before: 2 },
    ]);
    expect(changesOf(entry("halt", "entered"))).toEqual([]);
  });
});

it("words are counted, the most frequent first", () => {
  expect(tallied(["b", "a", "b", "c"])).toEqual([
    { key: "b", count: 2 },
    { key: "a", count: 1 },
    { key: "c", count: 1 },
  ]);
});

it("a line through points has round corners, and none where there is no room", () => {
  const points = [
    { x: 0, y: 0 },
    { x: 0, y: 40 },
    { x: 6, y: 40 },
  ];
  expect(pathThrough(points)).toBe("M0,0L0,32Q0,40 3,40L6,40");
  expect(pathThrough([])).toBe("");
});
