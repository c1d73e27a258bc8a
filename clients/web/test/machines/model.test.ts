import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "@interlock/client";
import { inWords, modelOf } from "../../src/machines/model.ts";
import { pictureOf, stateOf } from "../../src/machines/picture.ts";

const EXAMPLES = ["purchase_approval", "onboarding", "order", "support_escalation"];

function example(name: string): JsonValue {
  const file = resolve(import.meta.dirname, `../../../../examples/machines/${name}.json`);
  return JSON.parse(readFileSync(file, "utf8")) as JsonValue;
}

const wide = (text: string) => text.length * 8;

describe("the model of a machine", () => {
  it("has threads with the states that they reach", () => {
    const { states, regions, initial } = modelOf(example("order"));
    expect(initial).toBe("receive");
    expect(regions.map(({ of, thread, begin }) => [of, thread, begin])).toEqual([
      ["fulfil", "payment", "await_payment"],
      ["fulfil", "packing", "pack"],
    ]);
    const region = Object.fromEntries(states.map((each) => [each.name, each.region]));
    expect(region).toMatchObject({ receive: null, paid: "fulfil/payment", label: "fulfil/packing", sent: null });
  });

  it("says why each way is taken", () => {
    const { ways } = modelOf(example("support_escalation"));
    expect(ways.find(({ from, kind }) => from === "first_level" && kind === "timeout")?.says).toBe("after 1 h");
    expect(ways.filter(({ kind }) => kind === "error").every(({ says }) => says !== "")).toBe(true);
  });

  it.each([
    [{ field: "a", equals: true }, "a = true"],
    [{ field: "a", operator: "gte", value: 5 }, "a ≥ 5"],
    [{ field: "a", exists: false }, "a is missing"],
    [
      {
        and: [
          { field: "a", equals: "x" },
          {
            or: [
              { field: "b", exists: true },
              { field: "c", not_equals: 1 },
            ],
          },
        ],
      },
      "a = “x” and (b exists or c ≠ 1)",
    ],
    [{ not: { field: "a", exists: true } }, "not (a exists)"],
    [{ field: "a", operator: "in", value: [1, 2, 3, 4] }, "a in [1, 2, 3, …]"],
  ])("has a condition in words: %j", (condition, words) => {
    expect(inWords(condition, 4)).toBe(words);
  });

  it("is there for any JSON", () => {
    const odd: JsonValue[] = [
      null,
      [],
      "x",
      { states: 5 },
      { states: { a: null, b: { type: 5, transitions: "x", threads: [], on_error: [null, 3], on_timeout: [] } } },
      { initial_state: "a", states: { a: { type: "parallel", threads: { t: "a", u: "zzz" } } } },
      {
        initial_state: "__proto__",
        states: { constructor: { type: "action", transitions: [{ target: "toString" }] } },
      },
    ];
    for (const each of odd) expect(pictureOf(modelOf(each), wide, null).edges.length).toBeLessThan(5);
  });
});

describe("the picture of a machine", () => {
  it.each(EXAMPLES)(
    "of %s has each state once, after the one that it is in, and edges between what is there",
    (name) => {
      const model = modelOf(example(name));
      const { nodes, edges } = pictureOf(model, wide, null);
      const seen = new Set<string>();
      for (const { id, parent } of nodes) {
        expect(seen.has(id)).toBe(false);
        if (parent !== undefined) expect(seen.has(parent)).toBe(true);
        seen.add(id);
      }
      for (const { from, to } of edges) expect([seen.has(from), seen.has(to)]).toEqual([true, true]);
      const states = nodes.flatMap(({ id }) => stateOf(id) ?? []);
      expect(states.sort()).toEqual(model.states.map((each) => each.name).sort());
      expect(new Set(edges.map(({ id }) => id)).size).toBe(edges.length);
    },
  );

  it("keeps its shape while a run goes on", () => {
    const model = modelOf(example("order"));
    const progress = {
      states: new Map([["receive", { entered: 12, inside: 0, halted: 0, isEnd: false, failed: false }]]),
      ways: new Map([['["receive","fulfil"]', 12]]),
      isWhole: true,
    };
    const [before, after] = [pictureOf(model, wide, null), pictureOf(model, wide, progress)];
    const shape = ({ nodes }: typeof before) => nodes.map(({ id, width, height }) => [id, width, height]);
    expect(shape(after)).toEqual(shape(before));
    expect(after.edges.filter(({ data }) => data.tone.includes("taken")).length).toBe(2);
  });
});
