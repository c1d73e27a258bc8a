/** A halt of a state machine, on its card. */

import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import axe from "axe-core";
import { afterEach, expect, test, vi } from "vitest";
import { initialView, InterlockError, type JsonValue, type Pending } from "@interlock/client";
import { PauseCard } from "../../src/pauses/card.tsx";
import type { Question } from "../../src/pauses/history.ts";
import { SceneContext, type RunScene } from "../../src/pauses/run-context.ts";
import { dropDrafts } from "../../src/ui/draft.ts";

afterEach(() => {
  cleanup();
  dropDrafts();
});

let count = 0;

function shown(halt: Record<string, JsonValue>, decide = vi.fn(() => Promise.resolve())) {
  const id = `halt-${(count += 1)}`;
  const requirement = {
    id,
    halt_id: id,
    step_id: "s",
    step_name: "await_approval",
    step_index: 0,
    step_path: ["machine", "thread_main", "await_approval"],
    visit: 1,
    requires_confirmation: false,
    requires_user_input: true,
    requires_route_selection: false,
    requires_output_review: false,
    requires_iteration_review: false,
    requires_executor_input: false,
    ...halt,
  };
  const pending: Pending = { kind: "user_input", id, whole: true, requirement };
  const question: Question = { ...pending, stepKey: "k", index: 1, askedAt: 0 };
  const scene: RunScene = {
    view: { ...initialView("r"), status: "PAUSED", userId: "ada" },
    past: { questions: new Map([[id, question]]), byStep: new Map(), first: new Map() },
    decisions: new Map(),
    pending: new Map([[id, pending]]),
    userId: "ada",
    scopes: ["workflows:execute"],
    namespaces: [],
    groups: null,
    isReplaying: false,
    attend: { claim: decide, release: decide, delegate: decide },
    decide: decide,
  };
  render(
    <SceneContext value={scene}>
      <PauseCard question={question} />
    </SceneContext>,
  );
  return { id, decide };
}

async function faultsOfAxe(): Promise<string[]> {
  const rules = { "color-contrast": { enabled: false }, region: { enabled: false } };
  const { violations } = await axe.run(document.body, { rules });
  return violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).join()}`);
}

const FORM: JsonValue = {
  type: "form",
  title: "Approval Required",
  description: "For ${nothing}, in two\nlines",
  fields: [
    { name: "approved", type: "boolean", label: "Approve?", required: true },
    { name: "urgent", type: "boolean", label: "Urgent" },
    { name: "amount", type: "number", label: "Amount", min: 0, max: 10, default: 5 },
    { name: "notes", type: "string", label: "Notes", multiline: true },
    { name: "code", type: "string", label: "Budget code", maxLength: 4 },
    { name: "priority", type: "select", label: "Priority", options: [{ value: "low", label: "Low" }] },
    { name: "due", type: "date", label: "Due", minDate: "2026-01-01" },
    { name: "papers", type: "file", label: "Papers", accept: ".pdf" },
  ],
};

test("a form is filled in on its card, whose heading has its title", async () => {
  const { id, decide } = shown({ presentation: FORM, user_input_message: "Approval Required\n\nFor …" });
  expect(screen.getAllByRole("heading").map((each) => each.textContent)).toEqual(["Approval Required"]);
  expect(await faultsOfAxe()).toEqual([]);
  fireEvent.click(screen.getByRole("button", { name: "Submit" }));
  expect(decide).not.toHaveBeenCalled();
  expect(await faultsOfAxe()).toEqual([]);
  fireEvent.click(screen.getByRole("radio", { name: "No" }));
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Submit" }));
    await Promise.resolve();
  });
  expect(decide).toHaveBeenCalledWith(id, { user_input: { approved: false, amount: 5 } });
});

test("what the server refuses is told at its field", async () => {
  const refused = new InterlockError("invalid_decision", "No.", {
    details: [{ field: "code", error: "No such code." }],
  });
  shown(
    { presentation: FORM },
    vi.fn(() => Promise.reject(refused)),
  );
  fireEvent.click(screen.getByRole("radio", { name: "Yes" }));
  fireEvent.click(screen.getByRole("button", { name: "Submit" }));
  expect((await screen.findByText("No such code.")).className).toBe("fault");
  expect(document.activeElement).toBe(screen.getByLabelText("Budget code"));
});

test("an answer that leads nowhere is told on the card", async () => {
  const refused = new InterlockError("invalid_transition", "Nothing follows from this answer.");
  shown(
    { presentation: { type: "message", message: "Go on?" } },
    vi.fn(() => Promise.reject(refused)),
  );
  fireEvent.click(screen.getByRole("button", { name: "Continue" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Nothing follows from this answer.");
});

test("in selection mode there is a button for each transition", async () => {
  const choices = [
    { key: "approve", description: "Approve the order", to: "approved" },
    { key: "reject", description: null, to: "rejected" },
  ];
  const { id, decide } = shown({ halted_options: { instruction: "Order #123 is ready.", choices, generated: true } });
  expect(screen.getByText("Order #123 is ready.")).toBeTruthy();
  expect(await faultsOfAxe()).toEqual([]);
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Approve the order" }));
    await Promise.resolve();
  });
  expect(decide).toHaveBeenCalledWith(id, { user_input: { choice: "approve" } });
});

test("a message that waits for something else can be left all the same", async () => {
  const { id, decide } = shown({ presentation: { type: "message", message: "Waiting.", show_progress: true } });
  expect(await faultsOfAxe()).toEqual([]);
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Go on without waiting" }));
    await Promise.resolve();
  });
  expect(decide).toHaveBeenCalledWith(id, { user_input: {} });
});

test("without a form it takes what its schema says, or an object as JSON", async () => {
  const accepts = { type: "object", properties: { count: { type: "integer", title: "Count" } }, required: ["count"] };
  const one = shown({ halted_options: { instruction: "How many?" }, accepts });
  fireEvent.change(await screen.findByLabelText("Count"), { target: { value: "3" } });
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Send" }));
    await Promise.resolve();
  });
  expect(one.decide).toHaveBeenCalledWith(one.id, { user_input: { count: 3 } });
  cleanup();

  const other = shown({ halted_options: { instruction: null } });
  fireEvent.change(await screen.findByLabelText(/^Data/), { target: { value: '{"a": [1]}' } });
  await act(async () => {
    fireEvent.click(screen.getByRole("button", { name: "Send" }));
    await Promise.resolve();
  });
  expect(other.decide).toHaveBeenCalledWith(other.id, { user_input: { a: [1] } });
});
