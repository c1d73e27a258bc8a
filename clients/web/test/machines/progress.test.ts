import { describe, expect, it } from "vitest";
import { initialView, type EventLog, type RunMessage } from "@interlock/client";
import { ProgressReader, wayKey } from "../../src/machines/progress.ts";

type Told = Record<string, unknown>;

function logOf(events: readonly Told[], limit = Infinity): EventLog {
  return events.reduce<EventLog>(
    (log, event) => log.push(event as unknown as RunMessage),
    initialView("run", { log: limit === Infinity ? "complete" : limit }).log,
  );
}

const begun = (thread: string, state: string) => ({ event: "ThreadStarted", thread_id: thread, state });
const went = (thread: string, from: string, to: string) => ({
  event: "StateChanged",
  thread_id: thread,
  from_state: from,
  to_state: to,
});
const halted = (thread: string) => ({ event: "StepPaused", thread_id: thread });
const answered = (...path: string[]) => ({ event: "StepContinued", step_path: path });

function seen(events: readonly Told[]) {
  const { states } = new ProgressReader().read(logOf(events));
  return Object.fromEntries([...states].map(([name, each]) => [name, each]));
}

describe("how far a run has come", () => {
  it("counts visits, and knows where each thread is and waits", () => {
    const events = [
      begun("thread_main", "a"),
      went("thread_main", "a", "b"),
      went("thread_main", "b", "a"),
      went("thread_main", "a", "both"),
      begun("thread_x", "ask"),
      halted("thread_x"),
      begun("thread_y", "work"),
    ];
    const states = seen(events);
    expect(states["a"]).toMatchObject({ entered: 2, inside: 0 });
    expect(states["ask"]).toMatchObject({ entered: 1, inside: 1, halted: 1 });
    expect(states["work"]).toMatchObject({ inside: 1, halted: 0 });
    expect(seen([...events, answered("m", "thread_x", "ask")])["ask"]).toMatchObject({ inside: 1, halted: 0 });
  });

  it("was in no state, and took no way, before it tried again where another failed", () => {
    const leap = { ...went("thread_main", "a", "b"), trigger: "retry" };
    const progress = new ProgressReader().read(logOf([begun("thread_main", "a"), leap]));
    expect([...progress.states.keys()]).toEqual(["b"]);
    expect(progress.ways.size).toBe(0);
    const same = { ...went("thread_main", "a", "a"), trigger: "retry" };
    expect(seen([begun("thread_main", "a"), same])["a"]).toMatchObject({ entered: 1, inside: 1 });
  });

  it("has nobody inside of what has ended or was given up", () => {
    const events = [begun("thread_main", "both"), begun("thread_x", "ask"), begun("thread_y", "work")];
    const given = seen([...events, { event: "StepsWithdrawn", step_paths: [["m", "thread_y", "work"]] }]);
    expect(given["work"]).toMatchObject({ inside: 0, entered: 1 });
    expect(given["ask"]).toMatchObject({ inside: 1 });
    const over = seen([...events, { event: "WorkflowCancelled" }]);
    expect(Object.values(over).map((each) => each.inside)).toEqual([0, 0, 0]);
    expect(over["ask"]?.isEnd).toBe(true);
  });

  it("marks what failed until it is entered again", () => {
    const failed = [begun("thread_main", "a"), { event: "StepError", step_path: ["m", "thread_main", "a"] }];
    expect(seen(failed)["a"]?.failed).toBe(true);
    expect(seen([begun("thread_main", "a"), { ...failed[1], will_retry: true }])["a"]?.failed).toBe(false);
    expect(seen([...failed, went("thread_main", "a", "b"), went("thread_main", "b", "a")])["a"]?.failed).toBe(false);
  });

  it("reads on where it stopped, and says what it hasn't seen", () => {
    const reader = new ProgressReader();
    const first = logOf([begun("thread_main", "a")], 1);
    const { ways } = reader.read(first);
    expect(ways.size).toBe(0);
    const second = first.push(went("thread_main", "a", "b") as unknown as RunMessage);
    expect(reader.read(second).ways.get(wayKey("a", "b"))).toBe(1);
    expect(reader.read(second)).toBe(reader.read(second));
    expect(reader.read(second).isWhole).toBe(true);
    const late = [1, 2, 3, 4].reduce((log) => log.push(went("thread_main", "b", "b") as unknown as RunMessage), second);
    expect(new ProgressReader().read(late).isWhole).toBe(false);
  });
});
