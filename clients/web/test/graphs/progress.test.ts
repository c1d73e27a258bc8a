import { describe, expect, it } from "vitest";
import { isTaken, type TaskProgress } from "../../src/graphs/progress.ts";

describe("a link of a session", () => {
  const at = (state: TaskProgress["state"], port: string | null = null): TaskProgress => ({ state, step: null, port });

  it.each([
    ["completed", undefined, at("completed"), at("running"), true],
    ["not completed yet", undefined, at("running"), at("waiting"), false],
    ["failed", "failed", at("failed"), at("completed"), true],
    ["failed, and it completed", "failed", at("completed"), at("completed"), false],
    ["its port", "port:true", at("completed", "true"), at("running"), true],
    ["another port", "port:false", at("completed", "true"), at("running"), false],
    ["always", "always", at("skipped"), at("running"), true],
    ["to a task that was skipped", undefined, at("completed"), at("skipped"), false],
  ])("led on: %s", (_what, condition, from, to, expected) => {
    const link = { from: "A", to: "B", ...(condition === undefined ? {} : { condition }) };
    expect(
      isTaken(
        link,
        new Map([
          ["A", from],
          ["B", to],
        ]),
      ),
    ).toBe(expected);
  });
});
