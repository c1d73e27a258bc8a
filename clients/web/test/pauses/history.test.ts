import { applyEvents, type RunMessage } from "@interlock/client";
import { expect, test } from "vitest";
import { History } from "../../src/pauses/history.ts";
import { asks, numbered, ofStep, runOf } from "../run.ts";

const START = { event: "WorkflowStarted" };

test("a question stays known after it was decided", () => {
  const decided = ofStep("a", "StepContinued", {
    requirement_id: "r1",
    decision: { confirmed: true },
    resolved_by: "ada",
  });
  const view = runOf(START, asks("a", "r1", "confirmation", { confirmation_message: "Go on?" }), decided);
  expect(view.pending).toEqual([]);
  const question = new History().read(view.log).questions.get("r1");
  expect(question).toMatchObject({ kind: "confirmation", index: 1, askedAt: 1001, stepKey: '["a"]#1' });
  expect(question?.requirement).toMatchObject({ confirmation_message: "Go on?" });
});

test("what the event before says belongs to the question", () => {
  const review = ofStep("a", "StepOutputReview", { requirement_id: "r1", step_output: "text" });
  const past = new History().read(runOf(START, review, asks("a", "r1", "output_review")).log);
  expect(past.questions.get("r1")?.requirement).toMatchObject({ step_output: "text" });
});

test("the whole question takes the place of its first event, and stays where it was asked", () => {
  const requirement = { ...asks("a", "r1"), id: "r1", step_type: "Step", allowed_on_reject: ["skip"] };
  const output = { event: "WorkflowRunOutput", status: "PAUSED", step_requirements: [requirement] };
  const past = new History().read(runOf(START, asks("a", "r1"), output).log);
  expect(past.questions.get("r1")).toMatchObject({
    whole: true,
    index: 1,
    requirement: { allowed_on_reject: ["skip"] },
  });
});

test("a log that grows is read on, and what it says is the same object while nothing is new", () => {
  const history = new History();
  const first = runOf(START, asks("a", "r1"));
  const past = history.read(first.log);
  const more = applyEvents(first, numbered([ofStep("a", "RunResponseContentEvent", { content: "x" })], 2));
  expect(history.read(more.log)).toBe(past);
  const later = applyEvents(more, numbered([asks("b", "r2")], 3));
  expect([...history.read(later.log).questions.keys()]).toEqual(["r1", "r2"]);
});

test("after a gap, only what the snapshot has is known", () => {
  const history = new History();
  const view = runOf(START, asks("a", "r1"));
  history.read(view.log);
  const gap = {
    event: "gap",
    run_id: "run-1",
    epoch: 1,
    requested_event_index: 2,
    earliest_event_index: 9,
    next_event_index: 9,
  };
  const step_requirements = [{ ...asks("b", "r2"), id: "r2" }];
  const { event_index: _none, ...snapshot } = {
    ...numbered([{ event: "WorkflowRunOutput", status: "PAUSED", as_of: 8, step_requirements }])[0],
  } as Record<string, unknown>;
  const after = applyEvents(view, [gap, snapshot] as unknown as RunMessage[]);
  const past = history.read(after.log);
  expect([...past.questions.keys()]).toEqual(["r2"]);
  expect(past.questions.get("r2")?.index).toBe(8);
});
