import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { JsonText } from "../../src/editor/lines.ts";
import { written } from "../../src/editor/written.ts";

const TEXT = `{
  "name": "m",
  "initial_state": "a.b",
  "states": {
    "a": { "type": "action" },
    "a.b": {
      "type": "halting",
      "transitions": [
        { "target": "c" },
        { "target": "nowhere",
          "condition": { "and": [{ "field": "x" }, { "field": "y" }] } }
      ]
    },
    "c[0]": { "type": "terminal" }
  }
}`;

function at(path: string): string {
  const text = new JsonText(TEXT);
  const { from, to } = text.placeOf(path);
  return `${text.lineOf(from)} ${TEXT.slice(from, to)}`;
}

describe("a path", () => {
  it.each([
    ["name", '2 "m"'],
    ["states", '4 "states"'],
    ["states.a", '5 "a"'],
    ["states.a.type", '5 "action"'],
    ["states.a.b", '6 "a.b"'],
    ["states.a.b.transitions[1].target", '10 "nowhere"'],
    ["states.a.b.transitions[1].condition.and[1].field", '11 "y"'],
    ["states.c[0].type", '14 "terminal"'],
  ])("%s is found at its line", (path, place) => expect(at(path)).toBe(place));

  it.each([
    ["", "1 {"],
    ["states.a.logic.code", '5 "a"'],
    ["states.a.b.transitions[7].target", '8 "transitions"'],
    ["states.zzz", '4 "states"'],
    ["description", "1 {"],
  ])("%s that leads to nothing is shown as far as it leads", (path, place) => expect(at(path)).toBe(place));

  it("names the last of two equal keys, which are told", () => {
    const text = new JsonText('{\n"a": 1,\n"a": 2\n}');
    expect(text.lineOf(text.placeOf("a").from)).toBe(3);
    expect(text.doubles().map(({ line, severity }) => [line, severity])).toEqual([[3, "warning"]]);
  });

  it("has a place in any text", () => {
    for (const text of ["", " ", "{", '{"a', '{"a":', "[1,", "nul", '{"a":}', "\u0000"]) {
      const { from, to } = new JsonText(text).placeOf("states.a.b[0]");
      expect(from).toBeGreaterThanOrEqual(0);
      expect(to).toBeLessThanOrEqual(Math.max(1, text.length));
    }
  });
});

describe("what isn't JSON", () => {
  it.each([
    ['{\n  "a": 1\n  "b": 2\n}', 3],
    ['{\n  "a": 1,\n}', 2],
    ['{\n  "a": [1, 2\n}', 3],
    ["", 1],
    ['{"a": 1} x', 1],
    ['{\n\n"a": tru}', 3],
  ])("%j is told at its line", (text, line) => {
    const fault = new JsonText(text).syntaxFault();
    expect(fault?.severity).toBe("error");
    expect(Math.abs((fault?.line ?? 0) - line)).toBeLessThanOrEqual(1);
    expect(fault && fault.from >= 0 && fault.to <= Math.max(1, text.length)).toBe(true);
  });

  it("is nothing in JSON", () => expect(new JsonText(TEXT).syntaxFault()).toBeNull());
});

describe("JSON as people write it", () => {
  it.each(["purchase_approval", "onboarding", "order", "support_escalation"])("%s stays the same value", (name) => {
    const file = resolve(import.meta.dirname, `../../../../examples/machines/${name}.json`);
    const value = JSON.parse(readFileSync(file, "utf8")) as never;
    const text = written(value);
    expect(JSON.parse(text)).toEqual(value);
    expect(written(JSON.parse(text) as never)).toBe(text);
  });

  it("has what is short in one line, and states each in lines of their own", () => {
    const state = { type: "halting", transitions: [{ target: "b" }] };
    expect(written({ states: { a: state, b: { type: "terminal" } }, empty: {}, list: [] })).toBe(`{
  "states": {
    "a": {
      "type": "halting",
      "transitions": [{ "target": "b" }]
    },
    "b": { "type": "terminal" }
  },
  "empty": {},
  "list": []
}
`);
  });
});
