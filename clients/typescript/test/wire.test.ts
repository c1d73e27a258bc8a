/** What can't travel is refused where it is handed over. */

import { describe, expect, it } from "vitest";
import { closing } from "../src/closing.js";
import { InterlockError } from "../src/errors.js";
import { assertCarried } from "../src/wire.js";

const places: [string, (value: unknown) => object][] = [
  ["message", (value) => ({ message: value })],
  ["step_requirements[0].edited_output.id", (value) => ({ step_requirements: [{ edited_output: { id: value } }] })],
];

describe.each(places)("at %s", (path, around) => {
  it.each([
    ["NaN", NaN],
    ["an infinity", -Infinity],
    ["a whole number that has lost digits", 2 ** 53 + 2],
    ["another", -(2 ** 64)],
    ["a bigint", 1n],
    ["a function", () => 1],
    ["a symbol", Symbol("s")],
    ["half of a surrogate pair", "a\ud800b"],
  ])("%s is refused, with its place and without its value", (_, value) => {
    let error: unknown;
    try {
      assertCarried(around(value));
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InterlockError);
    expect(error).toMatchObject({ code: "misuse" });
    expect((error as InterlockError).message).toContain(path);
    expect((error as InterlockError).message).not.toContain("9007");
  });

  it.each([null, undefined, true, 0, -0.5, 2 ** 53 - 1, 1e300, 1e21, "text \u{1f600}", [], {}, [[1, null]]])(
    "%j travels",
    (value) => {
      expect(() => assertCarried(around(value))).not.toThrow();
    },
  );
});

it("what is nested too deep is refused", () => {
  let deep: unknown = 1;
  for (let level = 0; level < 10_000; level += 1) deep = [deep];
  expect(() => assertCarried(deep)).toThrow(/nested/);
});

it("a message that was too big for one side is final, as the final band is", () => {
  expect([1000, 1001, 1006, 1009, 4000, 4499, 4500, 4999].map(closing)).toEqual([
    "lost",
    "lost",
    "lost",
    "final",
    "final",
    "final",
    "away",
    "away",
  ]);
});
