import { describe, expect, test } from "vitest";
import { agoOf, counted, durationOf, leftOf, lineOf, parsed, textOfValue } from "../../src/ui/format.ts";

describe("durations", () => {
  test.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [1500, "1.5 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [185_000, "3 min 5 s"],
    [3_600_000, "1 h"],
    [7_440_000, "2 h 4 min"],
    [180_000_000, "2 d 2 h"],
  ])("%i ms are %s", (ms, words) => expect(durationOf(ms)).toBe(words));
});

test("what is left is told to the second, and never below zero", () => {
  expect(leftOf(299_001)).toBe("5:00");
  expect(leftOf(3_723_000)).toBe("1:02:03");
  expect(leftOf(-5)).toBe("0:00");
});

test("a moment ago is just now, whichever clock is ahead", () => {
  expect(agoOf(1000, 3000)).toBe("just now");
  expect(agoOf(9000, 3000)).toBe("just now");
  expect(agoOf(0, 120_000)).toBe("2 min ago");
});

test("one thing is counted in the singular", () => {
  expect(counted(1, "event")).toBe("1 event");
  expect(counted(2, "thing waits", "things wait")).toBe("2 things wait");
});

test("a string is shown as it is, all else as JSON", () => {
  expect(textOfValue("<b>x</b>")).toBe("<b>x</b>");
  expect(textOfValue({ a: 1 })).toBe('{\n  "a": 1\n}');
  expect(textOfValue(null)).toBe("");
});

test("a line has no line breaks, and an end", () => {
  expect(lineOf("a\n  b")).toBe("a b");
  expect(lineOf("x".repeat(200), 10)).toBe(`${"x".repeat(10)}…`);
});

test("what isn't JSON is told in a sentence", () => {
  expect(parsed("[1]")).toEqual({ value: [1] });
  expect(parsed("[1")).toHaveProperty("fault", expect.stringMatching(/^This isn't JSON: /) as string);
});
