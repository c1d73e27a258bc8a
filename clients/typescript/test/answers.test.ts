/** What is said of an answer before it is sent is what the server says: by the vectors that both are held against. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { faultsOf, presentationOf, type FieldFault, type JsonValue, type Presentation } from "../src/index.js";

interface Vector {
  name: string;
  presentation: Presentation;
  given: Record<string, JsonValue>;
  faults: FieldFault[];
}

const FILE = resolve(import.meta.dirname, "../../../protocol/vectors/answers.json");
const VECTORS = JSON.parse(readFileSync(FILE, "utf8")) as Vector[];

describe("an answer has the faults of its vector", () => {
  it.each(VECTORS.map((vector, at) => [at, vector.name, vector] as const))("%i: %s", (_at, _name, vector) => {
    expect(faultsOf(vector.presentation, vector.given)).toEqual(vector.faults);
  });
});

describe("a halt shows", () => {
  const form = { type: "form", fields: [{ name: "amount", type: "number" }] };
  const choices = [
    { key: "approve", to: "approved", description: "Approve the order" },
    { key: "reject", to: "rejected", description: null },
  ];
  const options = [
    { value: "approve", label: "Approve the order" },
    { value: "reject", label: "reject" },
  ];

  it("its presentation, and nothing where it has none that can be read", () => {
    expect(presentationOf({ presentation: form })).toEqual(form);
    const strange: JsonValue[] = [
      null,
      "form",
      [],
      { type: "dance" },
      { type: "form" },
      { type: "form", fields: [{ name: "x", type: "colour" }] },
      { type: "form", fields: [{ name: "x", type: "select" }] },
      { type: "choice", options: [{ label: "no value" }] },
      { type: "message" },
    ];
    for (const presentation of strange) expect(presentationOf({ presentation })).toBeNull();
    expect(presentationOf({})).toBeNull();
  });

  it("its transitions, where one is to be selected", () => {
    const halted_options = { instruction: "Ready?", transition_mode: "selection", choices, generated: true };
    expect(presentationOf({ halted_options })).toEqual({ type: "choice", message: "Ready?", options });
    const silent = presentationOf({ halted_options: { instruction: null, choices } });
    expect(silent).toEqual({ type: "choice", options });
    expect(presentationOf({ halted_options: { instruction: "Ready?" } })).toBeNull();
  });

  it("its transitions beside its own fields", () => {
    const halted_options = { instruction: null, choices };
    const choice = { name: "choice", type: "select", required: true, options };
    expect(presentationOf({ presentation: form, halted_options })).toEqual({
      ...form,
      fields: [...form.fields, choice],
    });
    const message = { type: "message", title: "Done", message: "And now?" };
    expect(presentationOf({ presentation: message, halted_options })).toEqual({ ...message, type: "choice", options });
  });
});
