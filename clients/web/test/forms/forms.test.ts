import type { UserInputField } from "@interlock/client";
import { expect, test } from "vitest";
import { errorsOf } from "../../src/forms/faults.ts";
import { asGiven, schemaOf } from "../../src/forms/fields.ts";
import { looksOf, simplified, wantsForm } from "../../src/forms/simplified.ts";
import { faultsOf, validator } from "../../src/forms/validator.ts";

function field(name: string, more: Partial<UserInputField> = {}): UserInputField {
  const rest = { description: null, required: true, allowed_values: null, default: null, value: null };
  return { name, field_type: "str", ...rest, ...more };
}

function messages(schema: object, values: Record<string, unknown>): Record<string, string | undefined> {
  const faults = faultsOf(schema, values).map((fault): [string, string | undefined] => [
    fault.property ?? "",
    fault.message,
  ]);
  return Object.fromEntries(faults);
}

test("a flat form is a JSON Schema", () => {
  const schema = schemaOf([
    field("count", { field_type: "int" }),
    field("tone", { allowed_values: ["a", "b"], default: "a" }),
  ]);
  expect(schema["properties"]).toEqual({
    count: { type: "integer", title: "count" },
    tone: { type: "string", title: "tone", enum: ["a", "b"], default: "a" },
  });
});

test("a field with a default needn't be given", () => {
  expect(schemaOf([field("a"), field("b", { default: 1 }), field("c", { required: false })])["required"]).toEqual([
    "a",
  ]);
});

test("a type that isn't known is a string", () => {
  expect(schemaOf([field("a", { field_type: "colour" })])["properties"]).toEqual({ a: { type: "string", title: "a" } });
});

test("a secret is asked for in a password field", () => {
  const schema = schemaOf([field("user"), field("password", { secret: true })]);
  expect(looksOf(simplified(schema))["password"]).toMatchObject({ "ui:widget": "password" });
  expect(looksOf(simplified(schema))["user"]).not.toHaveProperty("ui:widget");
});

test("what was given before is proposed again, but for a secret", () => {
  const fields = [field("user", { value: "ann", default: "bob" }), field("password", { secret: true })];
  expect(asGiven(fields).map((each) => each.default)).toEqual(["ann", null]);
});

test("each wrong field is told once, at the field", () => {
  const schema = schemaOf([
    field("word"),
    field("count", { field_type: "int" }),
    field("tone", { allowed_values: ["a"] }),
  ]);
  expect(messages(schema, { count: 1.5, tone: "b" })).toEqual({
    ".word": "This field is required.",
    ".count": "This is of the wrong type.",
    ".tone": "Select one of the values.",
  });
});

test("what is deeper inside is told there", () => {
  const schema = {
    type: "object",
    properties: { address: { type: "object", properties: { street: {} }, required: ["street"] } },
  };
  expect(messages(schema, { address: {} })).toEqual({ ".address.street": "This field is required." });
});

test("what isn't filled in counts as left out", () => {
  expect(messages({ type: "object", properties: { a: { type: "string" } } }, { a: undefined })).toEqual({});
});

test("references are followed where a part of a schema is checked", () => {
  const root = { $defs: { Colour: { enum: ["red"] } } };
  expect(validator.isValid({ $ref: "#/$defs/Colour" }, "red" as never, root)).toBe(true);
  expect(validator.isValid({ $ref: "#/$defs/Colour" }, "blue" as never, root)).toBe(false);
});

test("something or null is something that may be left out", () => {
  const schema = {
    type: "object",
    properties: { a: { anyOf: [{ type: "number" }, { type: "null" }], default: null, title: "A" } },
  };
  expect(simplified(schema)["properties"]).toEqual({ a: { type: "number", title: "A" } });
});

test("fields of one definition are called by their own names", () => {
  const ref = { $ref: "#/$defs/Address" };
  const properties = { bill_to: ref, ship_to: { anyOf: [ref, { type: "null" }] }, other: { ...ref, title: "Own" } };
  expect(simplified({ type: "object", properties })["properties"]).toEqual({
    bill_to: { ...ref, title: "Bill To" },
    ship_to: { ...ref, title: "Ship To" },
    other: { ...ref, title: "Own" },
  });
});

test("a choice of several stays one, without null", () => {
  const schema = { anyOf: [{ type: "number" }, { type: "string" }, { type: "null" }] };
  expect(simplified(schema)).toEqual({ anyOf: [{ type: "number" }, { type: "string" }] });
});

test("what no fields can be made for is written as JSON", () => {
  const properties = { any: {}, map: { type: "object" }, list: { type: "array", items: {} }, word: { type: "string" } };
  expect(looksOf({ type: "object", properties })).toEqual({
    any: { "ui:field": "json" },
    map: { "ui:field": "json" },
    list: { "ui:field": "json" },
    word: {},
  });
});

test("what no fields can be made for is written as JSON also in a definition, an entry, and one of several", () => {
  const $defs = {
    Item: { type: "object", properties: { labels: { type: "object" }, parts: { $ref: "#/$defs/Item" } } },
  };
  const item = { $ref: "#/$defs/Item" };
  const looks = { labels: { "ui:field": "json" }, parts: {} };
  const properties = { one: item, list: { type: "array", items: item }, either: { anyOf: [item, { type: "string" }] } };
  expect(looksOf({ type: "object", properties, $defs })).toEqual({
    one: looks,
    list: { items: looks },
    either: { anyOf: [looks, {}] },
  });
});

test("yes or no is asked for, unless there is a default", () => {
  expect(looksOf({ type: "boolean" })).toHaveProperty("ui:widget", "radio");
  expect(looksOf({ type: "boolean", default: false })).toEqual({});
});

test("a workflow that takes anything, or a text, is asked with a text", () => {
  expect(wantsForm({})).toBe(false);
  expect(wantsForm({ type: "string" })).toBe(false);
  expect(wantsForm({ type: "object", properties: {} })).toBe(true);
});

test("what the server says is wrong stands at its field, however deep", () => {
  const errors = errorsOf([
    { field: "address.street", error: "one" },
    { field: "address.street", error: "two" },
    { field: "", error: "whole" },
  ]);
  expect(errors).toEqual({ address: { street: { __errors: ["one", "two"] } }, __errors: ["whole"] });
});

test("a field may be called as objects call their own", () => {
  const errors = errorsOf([{ field: "constructor", error: "one" }]);
  expect(errors).toEqual({ constructor: { __errors: ["one"] } });
  expect(Object).not.toHaveProperty("__errors");
});
