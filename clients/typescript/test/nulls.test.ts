import { expect, test } from "vitest";
import { parts } from "../src/decisions.js";
import type { ExecutorRequirement } from "../src/protocol.js";
import { waitingTools, type Pending } from "../src/view.js";

test("null takes the place of an output, and is a result, only where it is given", () => {
  const sent = parts([
    { id: "q-1", decision: { confirmed: true } },
    { id: "q-2", decision: { confirmed: true, edited_output: null } },
    { id: "q-3", decision: { executor_requirements: [{ id: "q-3.0", external_execution_result: null }] } },
  ]);
  expect(JSON.parse(JSON.stringify(sent.step_requirements))).toEqual([
    { id: "q-1", confirmed: true },
    { id: "q-2", confirmed: true, edited_output: null },
    { id: "q-3", executor_requirements: [{ id: "q-3.0", external_execution_result: null }] },
  ]);
});

test("a retry may give other input", () => {
  const decision = { decision: "retry", user_input: { account: "good" } } as const;
  expect(parts([{ id: "q-1", decision }])).toEqual({
    error_requirements: [{ id: "q-1", decision: "retry", user_input: { account: "good" } }],
  });
});

test("a tool whose result is null is decided", () => {
  const tool = { id: "q-1.0", tool_execution: { external_execution_required: true } } as ExecutorRequirement;
  const waiting = (tools: ExecutorRequirement[]) =>
    waitingTools({ kind: "executor_input", requirement: { executor_requirements: tools } } as unknown as Pending);
  expect(waiting([tool])).toHaveLength(1);
  expect(waiting([{ ...tool, external_execution_result: null }])).toHaveLength(0);
});
