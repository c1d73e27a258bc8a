import { InterlockError } from "@interlock/client";
import { expect, test } from "vitest";
import { hunks } from "../../src/pauses/hunks.ts";
import { sentenceOf } from "../../src/pauses/refusal.tsx";
import { kindOfTool, questionsOf } from "../../src/pauses/tool-kinds.ts";
import {
  asksOf,
  decisionOf,
  delegationOf,
  detailsOf,
  dueOf,
  escalationOf,
  reminderOf,
  toolDecisionOf,
} from "../../src/pauses/words.ts";

test.each([
  [{ confirmed: true }, "Confirmed"],
  [{ confirmed: true, edited_output: "x" }, "Approved with changes"],
  [{ confirmed: false, on_reject: "retry" }, "Rejected: send it back"],
  [{ selected_choices: ["quick", "deep"] }, "Chose quick, deep"],
  [{ user_input: { a: 1 } }, "Filled in"],
  [{ user_input: { choice: "approve" } }, "Chose approve"],
  [{ user_input: { choice: "approve", a: 1 } }, "Filled in"],
  [{ decision: "skip" }, "Skipped"],
])("%j is told as %s", (decision, words) => {
  expect(decisionOf(decision, "confirmation")).toBe(words);
});

test("what happens while nobody answers is told in a line", () => {
  const event = { requirement_id: "r", number: 1, assignees: [], to: "group:leads" } as never;
  const reminded = (reminder: number) => reminderOf({ ...(event as object), reminder } as never);
  expect([1, 2, 3, 11, 22].map(reminded)).toEqual([
    "Reminded whoever is asked",
    ...["2nd", "3rd", "11th", "22nd"].map((nth) => `Reminded for the ${nth} time`),
  ]);
  expect(escalationOf(event)).toBe("Escalated to the group leads");
  const handed = { ...(event as object), delegated_by: "ana", to: "ben" };
  expect(delegationOf(handed as never)).toBe("ana handed it to ben");
  expect(delegationOf({ ...handed, absent: true } as never)).toBe("ben stands in for ana");
  expect([dueOf(1), dueOf(0)]).toEqual(["Due in ", "Overdue by "]);
});

test("a tool is told by what was decided of it", () => {
  expect(toolDecisionOf({ confirmation: false })).toBe("Denied");
  expect(toolDecisionOf({ confirmation: true, edited_args: {} })).toBe("Approved with changed arguments");
  expect(toolDecisionOf({ external_execution_result: 1 })).toBe("Result given");
});

test("feedback, notes and values are told line by line", () => {
  expect(detailsOf({ confirmed: false, rejection_feedback: "shorter" })).toEqual([["Feedback", "shorter"]]);
  expect(detailsOf({ user_input: { tone: "formal", n: 2 } })).toEqual([
    ["tone", "formal"],
    ["n", "2"],
  ]);
});

test("a kind that isn't known asks for a decision", () => {
  expect(asksOf("requires_confirmation")).toBe("Confirm");
  expect(asksOf("requires_magic")).toBe("A decision");
});

test("who was too late is told who won, and with what", () => {
  const details = { decision: { confirmed: false, on_reject: "skip" }, resolved_by: "bob" };
  const late = new InterlockError("conflict", "…", { details });
  expect(sentenceOf(late, "confirmation", "ada")).toBe(
    "Your answer came too late. It was already decided by bob: rejected: skip it.",
  );
  const timeout = new InterlockError("requirement_expired", "…", { details: { resolved_by: "timeout" } });
  expect(sentenceOf(timeout, "confirmation", "ada")).toContain("by the timeout");
});

test("what a tool waits for is read from its requirement", () => {
  const kind = (tool: object) => kindOfTool({ id: "1", ...tool });
  expect(kind({ tool_execution: { external_execution_required: true } })).toBe("external_execution");
  expect(kind({ tool_execution: {}, user_feedback_schema: [{ question: "?" }] })).toBe("user_feedback");
  expect(kind({ tool_execution: { requires_user_input: true } })).toBe("user_input");
  expect(kind({ tool_execution: { tool_name: "x" } })).toBe("confirmation");
});

test("an option is an object, or just a word", () => {
  const schema = [{ question: "Which?", options: [{ label: "A", description: "first" }, "B"], multi_select: true }];
  expect(questionsOf({ id: "1", user_feedback_schema: schema })).toEqual([
    {
      text: "Which?",
      header: null,
      several: true,
      options: [
        { key: "A", label: "A", description: "first" },
        { key: "B", label: "B" },
      ],
    },
  ]);
});

test("three lines around each change are shown, and what is far from one isn't", () => {
  const same = (count: number) => ({ value: "same\n".repeat(count) });
  const found = hunks([same(10), { value: "new\n", added: true }, same(10), { value: "old\n", removed: true }]);
  expect(found.map((hunk) => hunk.map((line) => line.kind[0]).join(""))).toEqual(["sssasss", "sssr"]);
});
