/** The reducer: on runs that really ran, against what the server's own fold came to, and on what may go wrong. */

import { describe, expect, it } from "vitest";
import { unknownRun } from "../src/view.js";
import {
  applyEvent,
  applyEvents,
  initialView,
  textOf,
  waitingTools,
  type Gap,
  type RunEvent,
  type RunMessage,
  type RunView,
  type StepView,
  type UnknownEvent,
} from "../src/index.js";
import { asJson, frozen, recordings, type Facts } from "./support/fixtures.js";
import { upTo } from "./support/numbers.js";

const recorded = recordings();
const byName = Object.fromEntries(recorded.map((recording) => [recording.name, recording.events]));

function fold(events: readonly RunMessage[], from?: RunView): RunView {
  return applyEvents(from ?? initialView(events[0]?.run_id ?? ""), events);
}

function plain(view: RunView): unknown {
  return asJson({ ...view, steps: [...view.steps] });
}

/** What a view says, in the terms of the server's facts. */
function told(view: RunView): Partial<Facts> {
  return {
    next_index: (view.lastIndex ?? -1) + 1,
    status: view.status,
    content: view.output ?? null,
    error: view.error?.message ?? null,
    pending: view.pending.map((each) => ({ id: each.id, kind: `requires_${each.kind}` })),
  };
}

it("a question that is escalated is for those who are asked as well, and nobody's claim", () => {
  const events = byName["reminded"]!;
  const at = events.findIndex((event) => event.event === "InteractionEscalated");
  const [before, after] = [at, at + 1].map((end) => fold(events.slice(0, end)).pending[0]!.requirement);
  expect(before!.assignees).toEqual(["ana"]);
  expect(after!.assignees).toEqual(["ana", "group:leads"]);
  expect(after!.claim).toBeUndefined();
});

it("who stands in for somebody is asked as well, and ends no claim", () => {
  const events = byName["claimed"]!;
  const claim = events.findLastIndex((event) => event.event === "InteractionClaimed");
  const before = fold(events.slice(0, claim + 1));
  const handed = events.find((event) => event.event === "InteractionDelegated")! as RunEvent;
  const event_index = (before.lastIndex ?? 0) + 1;
  const event = { ...handed, event_index, absent: true, assignees: ["ana", "dan"] } as RunEvent;
  const asked = fold([event], before).pending[0]!.requirement;
  expect(asked.assignees).toEqual(["ana", "dan"]);
  expect(asked.claim).toEqual(before.pending[0]!.requirement.claim);
  expect(asked.claim).toBeDefined();
});

describe.each(recorded)("the recorded run $name", ({ events, facts }) => {
  it("is folded to what the server's fold came to, at each place", () => {
    for (const fact of facts) {
      const view = fold(events.slice(0, fact.next_index));
      const { next_index, status, content, error } = fact;
      const pending = fact.pending.map(({ id, kind }) => ({ id, kind }));
      const mine = told(view);
      mine.pending?.sort((a, b) => (a.id < b.id ? -1 : 1));
      pending.sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(mine).toEqual({ next_index, status, content, error: status === "ERROR" ? error : null, pending });
      const decided = new Set([...view.decisions].map((each) => each.requirementId));
      for (const id of Object.keys(fact.resolved)) expect(decided).toContain(id);
    }
  });

  it("is folded to the same wherever it is cut, however often events come, and nothing is changed", () => {
    let view = frozen(fold([], initialView(events[0]!.run_id)));
    for (const event of events) {
      const before = asJson({ ...view, steps: [...view.steps] });
      const after = applyEvent(view, frozen(event));
      expect(applyEvent(after, event)).toBe(after);
      expect(asJson({ ...view, steps: [...view.steps] })).toEqual(before);
      view = after;
    }
    expect(plain(view)).toEqual(plain(fold(events)));
    const doubled = upTo(events.length).flatMap((at) => events.slice(Math.max(0, at - 3), at + 1));
    expect(plain(fold(doubled))).toEqual(plain(fold(events)));
  });

  it("has a step for each node, in a tree, with times that don't go back", () => {
    const view = fold(events);
    const seen: StepView[] = [];
    const walk = (parent: StepView | null) => {
      for (const step of view.steps.childrenOf(parent)) {
        seen.push(step);
        expect(step.parent).toBe(parent?.key ?? null);
        expect(step.path.slice(0, parent?.path.length ?? 0)).toEqual(parent?.path ?? []);
        walk(step);
      }
    };
    walk(null);
    expect(new Set(seen)).toEqual(new Set(view.steps));
    for (const step of seen) {
      expect(step.stepId).not.toBe("");
      if (step.startedAt !== null && step.endedAt !== null) expect(step.endedAt).toBeGreaterThanOrEqual(step.startedAt);
      if (view.endedAt !== null) expect(["completed", "skipped", "failed", "stopped"]).toContain(step.state);
    }
  });

  it("knows each requirement from its StepPaused nearly as it is when it is whole", () => {
    let view = initialView(events[0]!.run_id);
    for (const event of events) {
      const before = view.pending;
      view = applyEvent(view, event);
      for (const whole of view.pending.filter((each) => each.whole)) {
        const early = before.find((each) => each.id === whole.id && !each.whole);
        if (early === undefined) continue;
        expect(early.kind).toBe(whole.kind);
        expect(whole.requirement).toMatchObject(asJson(early.requirement) as object);
      }
    }
  });
});

describe("steps", () => {
  it("a loop's iterations are told apart", () => {
    const view = fold(byName["loop"]!);
    const loop = view.steps.latest(["again"])!;
    expect([loop.type, loop.state, loop.loop]).toEqual(["Loop", "completed", { iteration: 3, max: 5 }]);
    const inside = view.steps.childrenOf(loop);
    expect(inside.map((step) => [step.iteration, step.visit, step.text])).toEqual([
      [1, 1, "hello!"],
      [2, 2, "hello!!"],
      [3, 3, "hello!!!"],
    ]);
  });

  it("attempts are counted, each with its error", () => {
    const step = fold(byName["retries"]!).steps.latest(["call"])!;
    expect([...step.attempts].map((attempt) => [attempt.number, attempt.error?.type ?? null])).toEqual([
      [1, "ConnectionError"],
      [2, "ConnectionError"],
      [3, null],
    ]);
    expect([step.state, step.text, step.durationMs]).toEqual(["completed", "attempt 3", 60005]);
  });

  it("what is streamed is text until the output takes its place", () => {
    const events = byName["stopped"]!;
    const before = fold(events.slice(0, 5)).steps.latest(["stream"])!;
    expect([before.text, before.content, before.state]).toEqual(["one two", undefined, "running"]);
    const after = fold(events.slice(0, 6)).steps.latest(["stream"])!;
    expect([after.text, after.content]).toEqual(["one two", "one two"]);
    expect(textOf(fold(events).steps.latest(["stop"])!)).toBe(JSON.stringify({ enough: true }, null, 2));
  });

  it("tool calls are told with their ends", () => {
    const step = fold(byName["tools_decided_partly"]!).steps.latest(["act"])!;
    expect([...step.toolCalls].map((call) => [call.name, call.state])).toEqual([
      ["delete_record", "completed"],
      ["send_mail", "failed"],
      ["book", "completed"],
      ["ask", "completed"],
      ["deploy", "completed"],
    ]);
  });

  it("tools that were decided don't wait any more, the others do", () => {
    const events = byName["tools_decided_partly"]!;
    const counts = upTo(events.length + 1).map((count) => {
      const [pending] = fold(events.slice(0, count)).pending;
      return pending ? waitingTools(pending).length : 0;
    });
    const changes = counts.filter((count, at) => count !== counts[at - 1]);
    expect(changes[0]).toBe(0);
    expect(changes.slice(1)).toEqual([5, 4, 3, 2, 1, 0].slice(0, changes.length - 1));
    expect(changes.at(-1)).toBe(0);
  });

  it("a takeover makes void what the steps that it interrupted have streamed since", () => {
    const base = byName["stopped"]!;
    const [first, begun, one] = [base[0]!, base[1]!, base[2]!];
    const recovered = {
      ...first,
      event: "WorkflowRecovered",
      interrupted_steps: ["step_id" in begun ? begun.step_id : ""],
      event_index: 4,
    };
    const other = { ...one, event_index: 3, content: "lost" } as RunEvent;
    const view = fold([first, begun, one, other, { ...recovered, from_event_index: 3 } as unknown as RunEvent]);
    const step = view.steps.latest(["stream"])!;
    expect([step.text, step.pieces.length, step.state, view.recoveries]).toEqual(["one ", 1, "interrupted", 1]);
    const whole = fold([first, begun, one, other, { ...recovered, from_event_index: 1 } as unknown as RunEvent]);
    expect(whole.steps.latest(["stream"])!.text).toBe("");
  });
});

describe("what may come besides", () => {
  const events = byName["parallel"]!;

  it("an unknown event is listed and moves the place", () => {
    const unknown: UnknownEvent = { event: "SomethingNew", event_index: 2, epoch: 1, run_id: events[0]!.run_id, x: 1 };
    const view = fold([...events.slice(0, 2), unknown]);
    expect([view.lastIndex, [...view.unknown], view.status]).toEqual([2, [unknown], "RUNNING"]);
  });

  it("a snapshot replaces everything, and the stream goes on after it", () => {
    const paused = events.findIndex((event) => event.event === "WorkflowRunOutput");
    const { event_index, ...output } = events[paused] as RunEvent & { event: "WorkflowRunOutput" };
    const snapshot = { ...output, as_of: event_index ?? 0 } as RunMessage;
    const view = fold([snapshot]);
    expect([view.snapshotAsOf, view.lastIndex, view.status]).toEqual([paused, paused, "PAUSED"]);
    expect(view.pending).toEqual(fold(events.slice(0, paused + 1)).pending);
    expect([...view.steps].every((step) => step.state === "paused" || step.children.length > 0)).toBe(true);

    const end = fold(events.slice(paused + 1), view);
    expect([end.status, end.output]).toEqual([fold(events).status, fold(events).output]);
    expect(applyEvent(fold(events), snapshot).lastIndex).toBe(paused);
  });

  it("a gap forgets what was known, in the new epoch", () => {
    const gap: Gap = {
      event: "gap",
      run_id: events[0]!.run_id,
      epoch: 2,
      requested_event_index: 5,
      earliest_event_index: 0,
      next_event_index: 3,
    };
    const view = applyEvent(fold(events.slice(0, 6)), gap);
    expect([view.epoch, view.lastIndex, view.steps.length, view.pending]).toEqual([2, 2, 0, []]);
    expect(view.workflowId).toBe("parallel");
    expect(view.log.length).toBe(7);
    const old = applyEvent(view, events[6]!);
    expect(old).toBe(view);
  });
});

describe("long runs", () => {
  const base = { epoch: 1, created_at: 1, workflow_id: "w", run_id: "r" };
  const place = (path: (string | number)[], visit: number) => ({
    step_id: `s-${path.at(-1) ?? ""}`,
    step_name: String(path.at(-1)),
    step_index: 0,
    step_path: path,
    visit,
  });

  function long(count: number): RunEvent[] {
    const events: unknown[] = [{ ...base, event: "WorkflowStarted", event_index: 0 }];
    const add = (event: object) => events.push({ ...base, ...event, event_index: events.length });
    add({ event: "LoopExecutionStarted", ...place(["loop"], 1), max_iterations: count });
    for (let round = 1; events.length < count; round++) {
      const at = place(["loop", round, "step"], round);
      add({ event: "StepStarted", ...at, attempt: 1 });
      add({ event: "RunResponseContentEvent", ...at, content: "a ", content_type: "str" });
      add({ event: "RunResponseContentEvent", ...at, content: "b", content_type: "str" });
      add({ event: "StepCompleted", ...at, content: "a b", content_type: "str", duration_ms: 1 });
    }
    return events as RunEvent[];
  }

  it("of 100,000 events in 25,000 steps are folded, and each event touches one step", () => {
    const events = long(100_000);
    let view = unknownRun("r", initialView("r", { log: "complete" }).log);
    for (const event of events) view = applyEvent(view, event);
    expect([view.steps.length, view.log.length, view.lastIndex]).toEqual([25_001, events.length, events.length - 1]);
    const last = {
      ...base,
      ...place(["loop", 1, "step"], 1),
      event: "StepError",
      error: "x",
      error_type: "X",
      attempt: 1,
    };
    const after = applyEvent(view, { ...last, will_retry: false, event_index: events.length });
    const touched = [...after.steps].filter((step) => view.steps.get(step.key) !== step);
    expect(touched.map((step) => step.key)).toEqual(['["loop",1,"step"]#1']);
  });

  it("of 100,000 pieces of one step have their text, and old views have theirs", () => {
    const at = place(["step"], 1);
    const views: RunView[] = [];
    let view = initialView("r", { log: 100 });
    for (let index = 0; index < 100_000; index++) {
      const event = {
        ...base,
        ...at,
        event: "RunResponseContentEvent",
        content: "x",
        content_type: "str",
        event_index: index,
      };
      view = applyEvent(view, event);
      if (index % 25_000 === 0) views.push(view);
    }
    expect(view.steps.latest(["step"])!.text.length).toBe(100_000);
    expect(view.log.length).toBeLessThanOrEqual(200);
    expect(views.map((each) => each.steps.latest(["step"])!.pieces.length)).toEqual([1, 25_001, 50_001, 75_001]);
  });
});
