/** Live lists: what is shown after which messages. */

import { describe, expect, it } from "vitest";
import type { RunSummary } from "../src/index.js";
import { RunList } from "../src/lists.js";

const summary = (run_id: string, created_at: number, fields: Partial<RunSummary> = {}): RunSummary => ({
  run_id,
  workflow_id: "w",
  version: null,
  session_id: "s",
  user_id: "u",
  status: "RUNNING",
  epoch: 1,
  created_at,
  updated_at: created_at,
  pending: [],
  ...fields,
});

const changed = (seq: number, run: RunSummary, matches = true) =>
  ({ event: "run_changed", list: "l", seq, matches, run, pending: run.pending }) as const;
const listed = (seq: number, resumed = false, more = false) =>
  ({ event: "runs_listed", list: "l", seq, count: 0, more, resumed }) as const;

function list() {
  const made = new RunList({ endLive: () => undefined }, "l", { filter: { waiting_for_me: true }, limit: 5 });
  ask(made);
  return made;
}

/** Asks, and is told that it is taken up. */
function ask(made: RunList) {
  const asked = made.ask("1");
  made.acknowledged();
  return asked;
}

const ids = (made: RunList) => made.state.runs.map((run) => run.run_id);

describe("a live list", () => {
  it("is shown when it is complete, newest first", () => {
    const made = list();
    for (const [id, at] of [
      ["b", 2],
      ["c", 3],
      ["a", 1],
    ] as const)
      made.receive(changed(0, summary(id, at)));
    expect([made.state.phase, ids(made)]).toEqual(["loading", []]);
    made.receive(listed(41, false, true));
    expect([made.state.phase, made.state.more, ids(made)]).toEqual(["live", true, ["c", "b", "a"]]);
  });

  it("takes in older runs, but nothing older than what it was told meanwhile", async () => {
    const made = list();
    made.receive(changed(0, summary("c", 3, { status: "PAUSED" })));
    made.receive(listed(41, false, true));
    await made.extend(() => {
      made.receive(changed(42, summary("a", 1), false));
      return Promise.resolve({ runs: [summary("c", 3), summary("b", 2), summary("a", 1)], more: false });
    });
    expect([ids(made), made.state.more, made.state.runs[0]?.status]).toEqual([["c", "b"], false, "PAUSED"]);
    made.receive(changed(43, summary("b", 2), false));
    expect(ids(made)).toEqual(["c"]);
  });

  it("takes on what matches, and off what doesn't any more", () => {
    const made = list();
    made.receive(listed(41));
    made.receive(changed(42, summary("a", 1)));
    made.receive(changed(43, summary("b", 2)));
    made.receive(changed(44, summary("a", 1, { status: "COMPLETED" }), false));
    made.receive(changed(45, summary("never there", 9), false));
    expect(ids(made)).toEqual(["b"]);
  });

  it("goes on after the highest seq, and is the same array while nothing changes", () => {
    const made = list();
    expect(ask(made)).toEqual({
      action: "follow-runs",
      list: "l",
      filter: { waiting_for_me: true },
      request_id: "1",
      limit: 5,
    });
    made.receive(changed(0, summary("a", 1)));
    made.receive(listed(41));
    made.receive(changed(44, summary("b", 2)));
    const before = made.state.runs;
    expect(ask(made)).toMatchObject({ cursor: 44 });
    expect(made.state.runs).toBe(before);
    made.receive(changed(45, summary("c", 3)));
    made.receive(listed(45, true));
    expect(ids(made)).toEqual(["c", "b", "a"]);
  });

  it("that can't be gone on with is replaced as a whole", () => {
    const made = list();
    made.receive(changed(0, summary("old", 1)));
    made.receive(listed(41));
    ask(made);
    made.receive(changed(0, summary("new", 2)));
    expect(ids(made)).toEqual(["old"]);
    made.receive(listed(99));
    expect(ids(made)).toEqual(["new"]);
  });

  it("that was cut off before it was complete begins anew", () => {
    const made = list();
    made.receive(changed(0, summary("a", 1)));
    expect(ask(made)).not.toHaveProperty("cursor");
    made.receive(changed(0, summary("b", 2)));
    made.receive(listed(41));
    expect(ids(made)).toEqual(["b"]);
  });

  it("takes for stale what comes before its question is taken up", () => {
    const made = list();
    made.receive(changed(0, summary("a", 1)));
    made.begin();
    expect(made.ask("2")).not.toHaveProperty("cursor");
    made.receive(changed(0, summary("b", 2))); // of the first answer, which was under way
    made.receive(listed(41));
    expect([made.state.phase, ids(made)]).toEqual(["loading", []]);
    made.acknowledged();
    for (const run of [summary("a", 1), summary("b", 2)]) made.receive(changed(0, run));
    made.receive(listed(42));
    expect([made.state.phase, ids(made)]).toEqual(["live", ["b", "a"]]);
  });

  it("has what its runs wait for, one by one", () => {
    const made = list();
    const pending = [{ id: "p1", step_id: "s", step_name: "n", kind: "requires_confirmation" }];
    made.receive(changed(0, summary("a", 1, { pending })));
    made.receive(listed(1));
    expect(made.pending.map((item) => [item.run.run_id, item.pending.id])).toEqual([["a", "p1"]]);
  });

  it("that is refused says why, or is asked for again", () => {
    const made = list();
    const error = { event: "error", error: "No.", code: "unavailable", request_id: "1" } as const;
    expect(made.refused({ ...error, retryable: true })).toBe(true);
    expect(made.refused({ ...error, code: "unknown_action", retryable: false })).toBe(false);
    expect(made.state).toMatchObject({ phase: "failed", error: { code: "unknown_action" } });
    expect(ask(made)).not.toHaveProperty("cursor");
    made.receive(listed(42));
    expect(made.state).toMatchObject({ phase: "live", error: null });
  });
});
