/** What is remembered of runs. */

import { describe, expect, it, vi } from "vitest";
import { Keeper } from "../src/keeper.js";
import { EventLog } from "../src/log.js";
import { Memory } from "../src/memory.js";
import { applyEvent, applyEvents, initialView, type RunView } from "../src/index.js";
import { asJson, recordings } from "./support/fixtures.js";

const log = () => EventLog.empty(10);

function store(limit = Infinity) {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key: string) => items.get(key) ?? null,
    removeItem: (key: string) => void items.delete(key),
    setItem(key: string, value: string) {
      if (value.length > limit) throw new Error("QuotaExceededError");
      items.set(key, value);
    },
  };
}

function shown(view: RunView): unknown {
  const { log: _log, ...rest } = view;
  return asJson({ ...rest, steps: [...view.steps], roots: view.steps.roots });
}

describe.each(recordings())("of the recorded run $name", ({ events }) => {
  it("a view is as it was, wherever the page was reloaded, and goes on alike", () => {
    const memory = new Memory(store());
    for (let at = 1; at <= events.length; at++) {
      const view = applyEvents(initialView("r"), events.slice(0, at));
      memory.save({ ...view, runId: "r" });
      const again = memory.load("r", log())!;
      expect(shown(again)).toEqual(shown({ ...view, runId: "r" }));
      const next = events.slice(at);
      expect(shown(applyEvents(again, next))).toEqual(shown(applyEvents({ ...view, runId: "r" }, next)));
    }
  });
});

describe("the memory", () => {
  const view = (runId: string, index = 0): RunView => ({
    ...initialView(runId),
    workflowId: "w",
    epoch: 1,
    lastIndex: index,
  });

  it("has the runs, the latest first, and no more than it may", () => {
    const memory = new Memory(store(), { maxRuns: 3 });
    for (const id of ["a", "b", "c", "a", "d"]) memory.save(view(id));
    expect(memory.runs.map((run) => run.runId)).toEqual(["d", "a", "c"]);
    expect(memory.load("b", log())).toBeNull();
    memory.forget("a");
    expect(memory.runs.map((run) => run.runId)).toEqual(["d", "c"]);
    expect(memory.runs[0]).toEqual({ runId: "d", workflowId: "w", epoch: 1, lastEventIndex: 0 });
  });

  it("keeps no view that is too large, but the place", () => {
    const memory = new Memory(store(), { maxBytes: 3000 });
    expect(memory.save({ ...view("a"), input: "x".repeat(4000) })).toBe(false);
    expect([memory.load("a", log()), memory.runs.length]).toEqual([null, 1]);
    expect(memory.save(view("a"))).toBe(true);
    expect(memory.load("a", log())?.lastIndex).toBe(0);
  });

  it("a storage that is full, or has something else, costs only what would have been remembered", () => {
    const full = new Memory(store(10));
    expect(() => full.save(view("a"))).not.toThrow();
    expect([full.runs, full.load("a", log())]).toEqual([[], null]);
    const other = store();
    other.items.set("interlock:runs", "{");
    other.items.set("interlock:run:a", '{"version":1,"runId":"a","view":{"steps":7}}');
    other.items.set("interlock:run:b", '{"version":99,"runId":"b"}');
    const memory = new Memory(other);
    expect([memory.runs, memory.load("a", log()), memory.load("b", log())]).toEqual([[], null, null]);
    const forbidden = () => {
      throw new Error("SecurityError");
    };
    const none = new Memory({ getItem: forbidden, setItem: forbidden, removeItem: forbidden });
    expect(() => none.save(view("a"))).not.toThrow();
    expect(none.runs).toEqual([]);
  });

  it("is written a few times a second, and when the page goes", () => {
    vi.useFakeTimers();
    try {
      const storage = store();
      const setItem = vi.spyOn(storage, "setItem");
      let leave: () => void = () => undefined;
      const surroundings = {
        onReturn: () => () => undefined,
        onLeave: (told: () => void) => ((leave = told), () => undefined),
      };
      const keeper = new Keeper(new Memory(storage), surroundings);
      for (let index = 0; index < 1000; index++) {
        keeper.changed(view("a", index));
        vi.advanceTimersByTime(1);
      }
      expect(setItem.mock.calls.filter(([key]) => key === "interlock:run:a").length).toBe(2);
      leave();
      expect(new Memory(storage).load("a", log())?.lastIndex).toBe(999);
      keeper.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it("goes on with events that it hasn't", () => {
    const [{ events }] = recordings() as [ReturnType<typeof recordings>[number]];
    const memory = new Memory(store());
    const half = applyEvents(initialView(events[0]!.run_id), events.slice(0, 4));
    memory.save(half);
    const again = memory.load(half.runId, log())!;
    expect(applyEvent(again, events[2]!)).toBe(again);
  });
});
