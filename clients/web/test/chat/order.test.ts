import { textOf } from "@interlock/client";
import { expect, test } from "vitest";
import { inOrder, inText, type Part } from "../../src/chat/order.ts";
import { History } from "../../src/pauses/history.ts";
import { asks, ofStep, runOf } from "../run.ts";

const piece = (content: string) => ofStep("a", "RunResponseContentEvent", { content, content_type: "str" });
const started = ofStep("a", "StepStarted", { attempt: 1 });

function partsOf(...events: Record<string, unknown>[]): string[] {
  const view = runOf({ event: "WorkflowStarted" }, ...events);
  const step = view.steps.childrenOf(null)[0]!;
  const questions = new History().read(view.log).byStep.get(step.key) ?? [];
  return inText(step, textOf(step), questions).map(named);
}

function named(part: Part): string {
  return part.is === "card" ? `[${part.question.id}]` : part.is === "text" ? part.text : `<${part.step.name}>`;
}

test("text without cards is one piece", () => {
  expect(partsOf(started, piece("Hello "), piece("world"))).toEqual(["Hello world"]);
});

test("a card stands between what was written before and after it", () => {
  expect(partsOf(started, piece("Let me see. "), asks("a", "r1", "executor_input"), piece("Thanks."))).toEqual([
    "Let me see. ",
    "[r1]",
    "Thanks.",
  ]);
});

test("an output that isn't what was streamed comes last", () => {
  const completed = ofStep("a", "StepCompleted", { content: "Result", content_type: "str", duration_ms: 1 });
  expect(partsOf(started, piece("Let me see. "), asks("a", "r1", "executor_input"), completed)).toEqual([
    "Let me see. ",
    "[r1]",
    "Result",
  ]);
});

test("a confirmation stands above the output, and a review below it", () => {
  const completed = ofStep("a", "StepCompleted", { content: "Result", content_type: "str", duration_ms: 1 });
  const parts = partsOf(asks("a", "r1"), started, asks("a", "r2", "output_review"), completed);
  expect(parts).toEqual(["[r1]", "Result", "[r2]"]);
});

test("in a loop, the review of an iteration stands after its steps", () => {
  const inLoop = (visit: number, event: string, more: object = {}) => ({
    ...ofStep("work", event, more),
    step_path: ["again", visit, "work"],
    visit,
  });
  const view = runOf(
    { event: "WorkflowStarted" },
    ofStep("again", "LoopExecutionStarted", { max_iterations: 3 }),
    inLoop(1, "StepStarted", { attempt: 1 }),
    asks("again", "r1", "iteration_review"),
    inLoop(2, "StepStarted", { attempt: 1 }),
  );
  const past = new History().read(view.log);
  const loop = view.steps.childrenOf(null)[0]!;
  const parts = inOrder(past.byStep.get(loop.key) ?? [], view.steps.childrenOf(loop), past.first);
  expect(parts.map(named)).toEqual(["<work>", "[r1]", "<work>"]);
});
