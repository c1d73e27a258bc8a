// @vitest-environment jsdom
/** `<WorkflowForm>`: three presentations, six types of field, with keys and screen readers in mind. */

import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { useState } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { FieldFault, JsonValue, Presentation } from "../../src/index.js";
import { WorkflowForm, type FormDraft, type WorkflowFormProps } from "../../src/react/index.js";

afterEach(cleanup);

const APPROVAL: Presentation = {
  type: "form",
  title: "Approval Required",
  description: "Please review the request details and provide your decision.",
  fields: [
    { name: "approved", type: "boolean", label: "Approve this request?", required: true },
    { name: "amount", type: "number", label: "Approved Amount", default: 5000, min: 0, max: 100000 },
    { name: "notes", type: "string", label: "Notes", multiline: true, placeholder: "Add any notes or conditions..." },
    {
      name: "priority",
      type: "select",
      label: "Priority",
      options: [
        { value: "low", label: "Low" },
        { value: "medium", label: "Medium" },
      ],
      default: "medium",
    },
  ],
};

const CHOICE: Presentation = {
  type: "choice",
  title: "Select Action",
  message: "How would you like to proceed with this request?",
  options: [
    { value: "approve", label: "Approve", description: "Approve the request as submitted" },
    { value: "reject", label: "Reject" },
  ],
};

function shown(presentation: Presentation, more: Partial<WorkflowFormProps> = {}) {
  const onSubmit = vi.fn<(input: Record<string, JsonValue>) => void>();
  const page = (props: Partial<WorkflowFormProps>) => (
    <WorkflowForm presentation={presentation} onSubmit={onSubmit} {...props} />
  );
  const { rerender } = render(page(more));
  return { onSubmit, again: (props: Partial<WorkflowFormProps>) => rerender(page(props)) };
}

const field = (name: string) => screen.getByLabelText<HTMLInputElement>(new RegExp(`^${name}`));
const write = (name: string, value: string) => fireEvent.change(field(name), { target: { value } });
const press = (name: string) => fireEvent.click(screen.getByRole("button", { name }));
const wrong = () => screen.queryAllByText((_, element) => element?.className === "interlock-form-fault");

function one(field: NonNullable<Presentation["fields"]>[number]): Presentation {
  return { type: "form", fields: [field] };
}

describe("a form", () => {
  it("of the reference is filled in, and gives its values by their names", () => {
    const { onSubmit } = shown(APPROVAL);
    expect(screen.getByRole("form", { name: "Approval Required" })).toBeTruthy();
    expect(screen.getByText("Please review the request details and provide your decision.")).toBeTruthy();
    fireEvent.click(screen.getByRole("radio", { name: "Yes" }));
    write("Approved Amount", "4000.5");
    write("Notes", "Good, and cheap");
    press("Submit");
    expect(onSubmit.mock.calls).toEqual([
      [{ approved: true, amount: 4000.5, notes: "Good, and cheap", priority: "medium" }],
    ]);
  });

  it("shows its defaults, and leaves out what nobody touched", () => {
    const { onSubmit } = shown({ ...APPROVAL, fields: APPROVAL.fields?.slice(1) ?? [] });
    expect([field("Approved Amount").value, field("Priority").value, field("Notes").value]).toEqual([
      "5000",
      "medium",
      "",
    ]);
    press("Submit");
    expect(onSubmit.mock.calls).toEqual([[{ amount: 5000, priority: "medium" }]]);
  });

  it("takes a no for a no, and nothing for an answer only where it isn't required", () => {
    const { onSubmit } = shown(APPROVAL);
    press("Submit");
    expect(onSubmit).not.toHaveBeenCalled();
    const group = screen.getByRole("radiogroup", { name: /Approve this request/ });
    expect(group.getAttribute("aria-invalid")).toBe("true");
    fireEvent.click(within(group).getByRole("radio", { name: "No" }));
    press("Submit");
    expect(onSubmit.mock.calls[0]?.[0]).toMatchObject({ approved: false });
    cleanup();

    const other = shown(one({ name: "ok", type: "boolean", label: "Fine" }));
    press("Submit");
    fireEvent.click(screen.getByRole("checkbox", { name: "Fine" }));
    press("Submit");
    fireEvent.click(screen.getByRole("checkbox", { name: "Fine" }));
    press("Submit");
    expect(other.onSubmit.mock.calls).toEqual([[{}], [{ ok: true }], [{ ok: false }]]);
  });

  it("says at each field what is wrong, and puts the focus on the first", () => {
    const { onSubmit } = shown({
      type: "form",
      fields: [
        { name: "a", type: "string", label: "A" },
        { name: "b", type: "string", label: "B", required: true },
        { name: "c", type: "number", label: "C", max: 10 },
      ],
    });
    write("C", "11");
    press("Submit");
    expect(onSubmit).not.toHaveBeenCalled();
    expect(wrong().map((each) => each.textContent)).toEqual([
      "This field is required; give a value.",
      "This must be at most 10.",
    ]);
    expect(document.activeElement).toBe(field("B"));
    for (const [name, fault] of [
      ["B", "required"],
      ["C", "at most"],
    ] as const) {
      const control = field(name);
      expect(control.getAttribute("aria-invalid")).toBe("true");
      const told = (control.getAttribute("aria-describedby") ?? "").split(" ");
      expect(told.some((id) => document.getElementById(id)?.textContent.includes(fault))).toBe(true);
    }
    // Mending one leaves the focus where it is, and the other's sentence.
    field("C").focus();
    write("B", "x");
    expect(document.activeElement).toBe(field("C"));
    expect(wrong().map((each) => each.textContent)).toEqual(["This must be at most 10."]);
    write("C", "10");
    press("Submit");
    expect(onSubmit.mock.calls).toEqual([[{ b: "x", c: 10 }]]);
  });

  it.each<[Parameters<typeof one>[0], string, JsonValue]>([
    [{ name: "x", type: "string" }, " a ", " a "],
    [{ name: "x", type: "string", default: "before" }, "", ""],
    [{ name: "x", type: "number" }, "-2.5", -2.5],
    [{ name: "x", type: "date" }, "2026-02-28", "2026-02-28"],
    [{ name: "x", type: "select", options: [{ value: "1" }, { value: "2" }] }, "2", "2"],
    [{ name: "x", type: "file" }, "file_1, file_2", ["file_1", "file_2"]],
    [{ name: "x", type: "file", default: ["file_1"] }, "", []],
  ])("gives the value of a field: %j", (each, text, value) => {
    const { onSubmit } = shown(one(each));
    write("x", text);
    press("Submit");
    expect(onSubmit.mock.calls).toEqual([[{ x: value }]]);
  });

  it.each<[Parameters<typeof one>[0], string, string]>([
    [{ name: "x", type: "string", maxLength: 2 }, "abc", "at most 2"],
    [{ name: "x", type: "number", step: 0.1, min: 0.05 }, "0.1", "0.05 plus a multiple of 0.1"],
    [{ name: "x", type: "date", minDate: "2026-01-01" }, "2025-12-31", "2026-01-01 or later"],
    [{ name: "x", type: "date", maxDate: "2026-01-01" }, "2026-01-02", "2026-01-01 or earlier"],
    [{ name: "x", type: "file" }, "a b c d e f", "These are 6 files"],
    [{ name: "x", type: "select", required: true, options: [{ value: "1" }] }, "", "required"],
  ])("gives nothing that the server would refuse: %j", (each, text, sentence) => {
    const { onSubmit } = shown(one(each));
    write("x", text);
    press("Submit");
    expect(onSubmit).not.toHaveBeenCalled();
    expect(wrong()[0]?.textContent).toContain(sentence);
  });

  it("doesn't take what the browser can't read for nothing", () => {
    const { onSubmit } = shown(one({ name: "x", type: "number" }));
    Object.defineProperty(field("x"), "validity", { value: { badInput: true } });
    press("Submit");
    expect(onSubmit).not.toHaveBeenCalled();
    expect(wrong()[0]?.textContent).toBe("This must be a number, not a text.");
  });

  it("is made of the right controls, with their bounds", () => {
    shown({
      type: "form",
      fields: [
        { name: "n", type: "number", min: 1, max: 9, step: 2 },
        { name: "d", type: "date", minDate: "2026-01-01", maxDate: "2026-12-31" },
        { name: "t", type: "string", multiline: true, placeholder: "Here" },
        { name: "f", type: "file", accept: ".pdf", maxSize: 1048576 },
      ],
    });
    expect([field("n").type, field("n").min, field("n").max, field("n").step]).toEqual(["number", "1", "9", "2"]);
    expect([field("d").type, field("d").min, field("d").max]).toEqual(["date", "2026-01-01", "2026-12-31"]);
    expect([field("t").tagName, field("t").placeholder]).toEqual(["TEXTAREA", "Here"]);
    expect(screen.getByText("The ids of up to 5 files (.pdf, at most 1 MB), with commas between them.")).toBeTruthy();
  });

  it("shows what the server says, until the field is changed, and again when it says so again", () => {
    const faults: FieldFault[] = [
      { field: "b", error: "Somebody else has that name." },
      { field: "", error: "All in all, no." },
    ];
    const presentation: Presentation = { type: "form", fields: ["a", "b"].map((name) => ({ name, type: "string" })) };
    const { again } = shown(presentation);
    write("b", "x");
    again({ isSubmitting: true });
    again({ faults: [...faults] });
    expect(document.activeElement).toBe(field("b"));
    expect(screen.getByRole("alert").textContent).toBe("All in all, no.");
    expect(screen.getByText("Somebody else has that name.")).toBeTruthy();
    again({ faults: [...faults] }); // another list that says the same
    write("b", "y");
    expect(wrong()).toEqual([]);
    again({ faults: [...faults], isSubmitting: true });
    again({ faults: [...faults] });
    expect(wrong().length).toBe(2);
  });

  it("gives no second answer while one is under way, and keeps the focus", () => {
    const { onSubmit, again } = shown(one({ name: "x", type: "string" }), { onCancel: vi.fn() });
    const button = screen.getByRole("button", { name: "Submit" });
    button.focus();
    again({ isSubmitting: true, onCancel: vi.fn() });
    expect(document.activeElement).toBe(button);
    expect(button.getAttribute("aria-disabled")).toBe("true");
    fireEvent.click(button);
    fireEvent.submit(screen.getByRole("form"));
    expect(onSubmit).not.toHaveBeenCalled();
  });

  it("is kept as a draft, and begins anew for another presentation", () => {
    function Page({ presentation }: { presentation: Presentation }) {
      const [draft, setDraft] = useState<FormDraft>({ x: "half" });
      return (
        <>
          <WorkflowForm presentation={presentation} onSubmit={() => undefined} draft={draft} onDraft={setDraft} />
          <output>{JSON.stringify(draft)}</output>
        </>
      );
    }
    const { rerender } = render(<Page presentation={one({ name: "x", type: "string" })} />);
    expect(field("x").value).toBe("half");
    write("x", "whole");
    expect(screen.getByText('{"x":"whole"}')).toBeTruthy();
    rerender(<Page presentation={one({ name: "x", type: "string" })} />); // another object that is alike
    expect(field("x").value).toBe("whole");
    cleanup();
    const { again } = shown(one({ name: "x", type: "string", default: "one" }));
    write("x", "mine");
    again({ presentation: one({ name: "x", type: "string", default: "two" }) });
    expect(field("x").value).toBe("two");
  });

  it("can be cancelled, where that is offered", () => {
    const onCancel = vi.fn();
    shown(APPROVAL);
    expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
    cleanup();
    shown(APPROVAL, { onCancel });
    press("Cancel");
    expect(onCancel).toHaveBeenCalledOnce();
  });

  it("takes names that objects have of their own", () => {
    const names = ["constructor", "__proto__", "toString"];
    const { onSubmit } = shown({ type: "form", fields: names.map((name) => ({ name, type: "string" })) });
    press("Submit");
    write("toString", "x");
    press("Submit");
    expect(onSubmit.mock.calls.map(([given]) => Object.entries(given))).toEqual([[], [["toString", "x"]]]);
  });

  it("shows text as text", () => {
    shown({ ...APPROVAL, title: "<img src=x>", description: "<b>bold</b>" });
    expect(document.querySelector("img, b")).toBeNull();
  });
});

describe("a choice", () => {
  it("is made by a button, which its description describes", () => {
    const { onSubmit } = shown(CHOICE);
    const group = screen.getByRole("group", { name: "Select Action" });
    const approve = within(group).getByRole("button", { name: "Approve" });
    expect(document.getElementById(approve.getAttribute("aria-describedby") ?? "")?.textContent).toBe(
      "Approve the request as submitted",
    );
    fireEvent.click(approve);
    expect(onSubmit.mock.calls).toEqual([[{ choice: "approve" }]]);
  });

  it("is made once", () => {
    const { onSubmit, again } = shown(CHOICE);
    again({ isSubmitting: true });
    press("Reject");
    expect(onSubmit).not.toHaveBeenCalled();
  });

  it("says what the server says of it", () => {
    shown(CHOICE, { faults: [{ field: "choice", error: "This must be one of: approve." }] });
    expect(screen.getByRole("alert").textContent).toBe("This must be one of: approve.");
  });
});

describe("a message", () => {
  it("is read and left", () => {
    const { onSubmit } = shown({ type: "message", title: "Done", message: "All is\nready." });
    expect(screen.getByText(/All is/)).toBeTruthy();
    press("Continue");
    expect(onSubmit.mock.calls).toEqual([[{}]]);
  });

  it("that waits for something else shows that it does, and asks nothing", () => {
    const onCancel = vi.fn();
    shown({ type: "message", message: "Waiting.", show_progress: true }, { onCancel });
    expect(screen.getByRole("progressbar", { name: "In progress" })).toBeTruthy();
    expect(screen.getAllByRole("button").map((each) => each.textContent)).toEqual(["Cancel"]);
  });
});

it("can be dressed", () => {
  act(() => void shown(APPROVAL, { classNames: { submit: "button primary" }, heading: "h2", submitLabel: "Send" }));
  expect(screen.getByRole("button", { name: "Send" }).className).toBe("button primary");
  expect(screen.getByRole("heading", { level: 2 }).className).toBe("interlock-form-title");
});
