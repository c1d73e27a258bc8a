/** What of a stream is news. */

import { describe, expect, it } from "vitest";
import { Cursor, Hole } from "../src/cursor.js";
import type { Received, RunMessage } from "../src/events.js";
import { indexOf } from "../src/events.js";

const run = { run_id: "r", epoch: 1 };
const event = (event_index: number, fields: object = {}) =>
  ({ ...run, event: "CustomEvent", event_index, ...fields }) as unknown as Received;
const subscribed = (next: number) =>
  ({ ...run, event: "subscribed", status: "RUNNING", next_event_index: next }) as Received;
const catchUp = (count: number) =>
  ({
    ...run,
    event: "catch_up",
    status: "RUNNING",
    missed_events: 1,
    first_event_index: 0,
    current_event_count: count,
  }) as Received;
const replay = (total: number, missed: number) =>
  ({ ...run, event: "replay", status: "COMPLETED", total_events: total, missed_events: missed }) as Received;
const gap = (next: number) =>
  ({
    ...run,
    epoch: 2,
    event: "gap",
    requested_event_index: 9,
    earliest_event_index: 0,
    next_event_index: next,
  }) as Received;
const snapshot = (as_of: number, status = "PAUSED") =>
  ({ ...run, epoch: 2, event: "WorkflowRunOutput", as_of, status }) as unknown as Received;
const end = (event_index: number) => event(event_index, { event: "WorkflowCompleted" });

function taken(cursor: Cursor, ...messages: Received[]): (number | string)[] {
  return messages.flatMap((message) => cursor.take(message)).map((news: RunMessage) => indexOf(news) ?? news.event);
}

function asked(cursor: Cursor): Cursor {
  cursor.ask("1", null);
  cursor.acknowledged();
  return cursor;
}

describe("a cursor", () => {
  it("hands each index on once, in order", () => {
    const cursor = asked(new Cursor("r"));
    expect(
      taken(cursor, catchUp(3), event(0), event(1), event(1), event(0), event(2), subscribed(3), event(3)),
    ).toEqual([0, 1, 2, 3]);
    expect([cursor.last, cursor.epoch, cursor.behind]).toEqual([3, 1, 0]);
  });

  it("never hands on a hole, or another epoch", () => {
    expect(() => taken(asked(new Cursor("r")), subscribed(0), event(0), event(2))).toThrow(Hole);
    expect(() => taken(asked(new Cursor("r")), subscribed(0), event(0), event(1, { epoch: 2 }))).toThrow(Hole);
  });

  it("takes for stale what comes before the answer to its question", () => {
    const cursor = new Cursor("r", { place: { epoch: 1, lastEventIndex: 4 } });
    expect(taken(cursor, event(5))).toEqual([]);
    expect(cursor.ask("7", "w")).toEqual({
      action: "reconnect",
      run_id: "r",
      request_id: "7",
      workflow_id: "w",
      last_event_index: 4,
      epoch: 1,
    });
    expect(taken(cursor, event(5), subscribed(5))).toEqual([]);
    cursor.acknowledged();
    expect(taken(cursor, event(5), catchUp(7), event(5), event(6))).toEqual([5, 6]);
  });

  it("that has seen nothing takes whatever epoch the run is in now", () => {
    const cursor = asked(new Cursor("r"));
    expect(taken(cursor, catchUp(2))).toEqual([]);
    cursor.stop();
    asked(cursor);
    const later = { epoch: 2 };
    expect(taken(cursor, { ...catchUp(2), ...later }, event(0, later), event(1, later))).toEqual([0, 1]);
    expect(cursor.epoch).toBe(2);
  });

  it("knows how far behind it is", () => {
    const cursor = asked(new Cursor("r"));
    taken(cursor, catchUp(10), event(0), event(1));
    expect(cursor.behind).toBe(8);
  });

  it("ends with the last event, or with a replay of nothing", () => {
    const cursor = asked(new Cursor("r"));
    expect(taken(cursor, replay(2, 2), event(0), end(1), event(2))).toEqual([0, 1]);
    expect(cursor.ended).toBe(true);
    const over = asked(new Cursor("r", { place: { epoch: 1, lastEventIndex: 1 } }));
    expect(taken(over, replay(2, 0))).toEqual([]);
    expect(over.ended).toBe(true);
  });

  it("moves over a gap only together with its snapshot", () => {
    const cursor = asked(new Cursor("r", { place: { epoch: 1, lastEventIndex: 8 } }));
    expect(taken(cursor, gap(5), event(9))).toEqual([]);
    expect([cursor.last, cursor.epoch]).toEqual([8, 1]);
    expect(taken(cursor, snapshot(4), event(5, { epoch: 2 }))).toEqual(["gap", "WorkflowRunOutput", 5]);
    expect([cursor.last, cursor.epoch]).toEqual([5, 2]);

    const cut = asked(new Cursor("r", { place: { epoch: 1, lastEventIndex: 8 } }));
    taken(cut, gap(5));
    cut.stop();
    expect(cut.ask("2", null)).toMatchObject({ last_event_index: 8, epoch: 1 });
  });

  it("begins with a snapshot where that is asked for, once", () => {
    const cursor = new Cursor("r", { snapshot: true });
    expect(cursor.ask("1", null)).toMatchObject({ snapshot: true });
    cursor.acknowledged();
    expect(taken(cursor, snapshot(6), subscribed(7), event(7, { epoch: 2 }))).toEqual(["WorkflowRunOutput", 7]);
    expect(cursor.ask("2", null)).toMatchObject({ last_event_index: 7 });
    const over = asked(new Cursor("r", { snapshot: true }));
    expect(taken(over, replay(7, 0), snapshot(6, "COMPLETED"))).toEqual(["WorkflowRunOutput"]);
    expect(over.ended).toBe(true);
  });
});
