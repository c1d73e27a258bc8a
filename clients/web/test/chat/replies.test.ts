import { expect, test } from "vitest";
import { replyTo, verdictIn } from "../../src/chat/replies.ts";
import { asks, runOf } from "../run.ts";

const field = (name: string, more: object = {}) => ({
  name,
  field_type: "str",
  description: null,
  required: true,
  allowed_values: null,
  default: null,
  value: null,
  ...more,
});

const waiting = (kind: string, more: object = {}) => {
  const [pending] = runOf(asks("ask", "r1", kind, more)).pending;
  if (pending === undefined) throw new Error("nothing waits");
  return pending;
};
const form = (...fields: object[]) => waiting("user_input", { user_input_schema: fields });
const spec = (mode: string, more: object = {}) => waiting("response", { interaction: { spec: { mode, ...more } } });

test.each([
  ["yes", true],
  ["Yes, publish it", true],
  ["ok!", true],
  ["go ahead", true],
  ["ja", true],
  ["no", false],
  ["No: the date is wrong", false],
  ["not yet", false],
  ["yes but not today", null],
  ["yes, if Bob agrees", null],
  ["no problem, go on", null],
  ["yesterday", null],
  ["none of it", null],
  ["publish it", null],
  ["", null],
])("%j is a verdict of %j", (text, verdict) => {
  expect(verdictIn(text)?.confirmed ?? null).toBe(verdict);
});

test.each([
  ["confirmation", {}, "yes, publish it", { confirmed: true }],
  ["confirmation", {}, "no, the date is wrong", { confirmed: false, rejection_feedback: "the date is wrong" }],
  ["output_review", {}, "approve", { confirmed: true }],
  ["route_selection", { available_choices: ["quick", "deep"] }, "Quick", { selected_choices: ["quick"] }],
  [
    "route_selection",
    { available_choices: ["quick", "deep"], allow_multiple_selections: true },
    "quick and deep",
    { selected_choices: ["quick", "deep"] },
  ],
  ["error_decision", {}, "try again", { decision: "retry" }],
])("an answer to a %s %j: %j", (kind, more, text, decision) => {
  expect(replyTo(waiting(kind, more), text)).toMatchObject({ decision });
});

test.each([
  [form(field("word")), "Yes, and a word", { user_input: { word: "Yes, and a word" } }],
  [form(field("count", { field_type: "int" })), " 7 ", { user_input: { count: 7 } }],
  [form(field("sure", { field_type: "bool" })), "no", { user_input: { sure: false } }],
  [form(field("tone", { allowed_values: ["formal", "casual"] })), "Casual.", { user_input: { tone: "casual" } }],
  [form(field("version"), field("channel", { default: "stable" })), "1.4.0", { user_input: { version: "1.4.0" } }],
  [spec("input"), "some text", { response: { value: "some text" } }],
  [spec("confirm"), "yes, well done", { response: { confirmed: true, comment: "well done" } }],
  [spec("select", { options: [{ value: "a", label: "First" }] }), "first", { response: { selected: "a" } }],
])("a field takes what fits it", (pending, text, decision) => {
  expect(replyTo(pending, text)).toEqual({ decision });
});

test.each([
  [waiting("confirmation"), "publish it on Monday", "Is that a yes or a no?", 2],
  [waiting("output_review"), "it is too long", "Is it right as it is?", 2],
  [waiting("route_selection", { available_choices: ["quick", "deep"] }), "both", "Which of these?", 2],
  [form(field("count", { field_type: "int" })), "many", "It asks for a whole number.", 0],
  [form(field("a"), field("b")), "a text", /a and b/, 0],
  [form(field("password", { secret: true })), "a secret", /card above/, 0],
  [waiting("interaction"), "yes", /card above/, 0],
  [waiting("error_decision"), "hm", /step that failed/, 3],
])("what may mean more is asked back", (pending, text, sentence, ways) => {
  const reply = replyTo(pending, text);
  if ("decision" in reply) throw new Error(`taken as ${JSON.stringify(reply.decision)}`);
  expect(reply.sentence).toMatch(sentence);
  expect(reply.ways).toHaveLength(ways);
});
