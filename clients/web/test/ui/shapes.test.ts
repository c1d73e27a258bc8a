import { expect, test } from "vitest";
import { blocksOf, isMarkdown } from "../../src/ui/markdown-blocks.ts";
import { chartOf, tableOf } from "../../src/ui/shapes.ts";

test.each([
  ["# A title", true],
  ["some **bold** words", true],
  ["one\n- two", true],
  ["see https://example.org/x", true],
  ["| a | b |\n| - | - |", true],
  ["0 1 2 3", false],
  ["a * b * c", false],
  ["Dear all,\nthe quarter was good.\nAda", false],
  ["<b>no</b>", false],
])("%j is Markdown: %j", (text, is) => {
  expect(isMarkdown(text)).toBe(is);
});

test("a text that grows has the same blocks as before, and no code is cut", () => {
  const text = "one\n\ntwo\n\n```\na\n\nb\n```\n\n- x\n\n- y\n\nend";
  const blocks = blocksOf(text);
  expect(blocks.map((block) => block.trim())).toEqual(["one", "two\n\n```\na\n\nb\n```\n\n- x\n\n- y", "end"]);
  expect(blocks.join("\n")).toBe(text);
  expect(blocksOf(`${text} more`).slice(0, -1)).toEqual(blocks.slice(0, -1));
});

test("a list of objects is a table of all that they have, and other lists are none", () => {
  expect(tableOf([{ a: 1 }, { b: "x" }])?.columns).toEqual(["a", "b"]);
  for (const other of [[], [1, 2], [{ a: 1 }, null], [{}], { a: 1 }, "x"]) expect(tableOf(other)).toBeNull();
});

test("a chart is read in its own words and in those of Vega-Lite", () => {
  const data = [
    { month: "May", sold: 3 },
    { month: "June", sold: 5 },
  ];
  const own = chartOf({ chart: { type: "bar", title: "Sales", data, x: "month", y: "sold" } });
  expect(own).toEqual({
    kind: "bar",
    title: "Sales",
    labels: ["May", "June"],
    series: [{ name: "sold", values: [3, 5] }],
  });
  const encoding = { x: { field: "month" }, y: { field: "sold" } };
  expect(chartOf({ chart: { mark: "bar", title: "Sales", data: { values: data }, encoding } })).toEqual(own);
  for (const other of [{ chart: 1 }, { chart: {} }, { chart: { data, x: "month", y: "none" } }, { data }, null])
    expect(chartOf(other)).toBeNull();
});
