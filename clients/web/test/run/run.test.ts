import { applyEvents } from "@interlock/client";
import { expect, test } from "vitest";
import { wordsOf } from "../../src/run/event-words.ts";
import { Matches } from "../../src/run/matches.ts";
import { chatOf, partOf, pathOf } from "../../src/run/paths.ts";
import { moved, rowsOf } from "../../src/run/rows.ts";
import { asks, numbered, ofStep, runOf } from "../run.ts";

const inParallel = (name: string) => ({ ...ofStep(name, "StepStarted", { attempt: 1 }), step_path: ["all", name] });
const view = runOf(
  { event: "WorkflowStarted" },
  ofStep("all", "ParallelExecutionStarted", { parallel_step_count: 2 }),
  inParallel("one"),
  inParallel("two"),
  ofStep("after", "StepStarted", { attempt: 1 }),
);
const names = (closed: string[] = []) =>
  rowsOf(view.steps, new Set(closed)).map(({ step, level }) => `${level} ${step.name}`);

test("a row stands below the one that it is in, unless that is closed", () => {
  expect(names()).toEqual(["1 all", "2 one", "2 two", "1 after"]);
  expect(names(['["all"]#1'])).toEqual(["1 all", "1 after"]);
});

test("arrow keys move, open and close", () => {
  const rows = rowsOf(view.steps, new Set());
  expect(moved(rows, 0, "ArrowDown")).toEqual({ to: 1 });
  expect(moved(rows, 3, "ArrowDown")).toEqual({ to: 3 });
  expect(moved(rows, 2, "ArrowLeft")).toEqual({ to: 0 });
  expect(moved(rows, 0, "ArrowLeft")).toEqual({ toggle: '["all"]#1' });
  expect(moved(rows, 0, "x")).toBeNull();
});

test("events are found by their name and their step, also those that come later", () => {
  const matches = new Matches();
  const found = (log = view.log, text = "") => matches.of(log, text);
  expect(found().length).toBe(5);
  expect(found(view.log, "STEPSTARTED").length).toBe(3);
  const more = applyEvents(view, numbered([asks("later", "r1")], 5));
  expect(found(more.log, "later").at(0)).toBe(5);
  expect(found(more.log, "stepstarted").length).toBe(3);
});

test("an event that isn't known says its fields", () => {
  const [event] = numbered([{ event: "SomethingNew", colour: "green" }]);
  expect(event && wordsOf(event)).toBe('{"colour":"green"}');
});

test("a pause says what it asks for", () => {
  const [event] = numbered([asks("a", "r1", "confirmation", { confirmation_message: "Go on?" })]);
  expect(event && wordsOf(event)).toBe("Confirm: Go on?");
});

test("ids are safe in addresses, whatever they are", () => {
  expect(pathOf({ workflowId: "a/b", runId: "x y" })).toBe("/runs/a%2Fb/x%20y");
  expect(chatOf({ workflowId: null, runId: "r" })).toBe("/chat/-/r");
});

test("a part of an address is read whether the router has decoded all of it, some of it, or nothing", () => {
  for (const id of ["team:tell?", "100%", "a b", "plain"]) {
    const routed = decodeURI(pathOf({ workflowId: id, runId: "r" })).split("/")[2] ?? "";
    expect(partOf(routed)).toBe(id);
  }
});
