import { describe, expect, it } from "vitest";
import type { TaskType } from "@interlock/client";
import { blanksOf, fieldsOf, firstInputs, sourcesFor, surelyBefore, wayOf } from "../../src/graphs/inputs.ts";
import { graphOf } from "../../src/graphs/model.ts";

const HTTP: TaskType = {
  name: "http",
  title: "HTTP request",
  description: "Calls an address.",
  category: "Calls",
  input_schema: {
    type: "object",
    required: ["url"],
    properties: { url: { type: "string" }, method: { type: "string", default: "GET" } },
  },
  output_schema: {
    type: "object",
    properties: { status: { type: "integer" }, body: { type: "object", properties: { id: { type: "string" } } } },
  },
  provider: null,
  kind: "call",
};
const TYPES = new Map([["http", HTTP]]);

/** A graph of tasks `A B C` and links `A>C`, `B>C:failed`; `C?`: any of its links is enough. */
function graph(tasks: string, links = "") {
  return graphOf({
    name: "g",
    tasks: tasks.split(" ").map((each) => ({
      id: each.replace("?", ""),
      type: "http",
      inputs: {},
      ...(each.endsWith("?") ? { join: "any" } : {}),
    })),
    links: links
      .split(" ")
      .filter(Boolean)
      .map((each) => {
        const [ends = "", ...condition] = each.split(":");
        const [from = "", to = ""] = ends.split(">");
        return { from, to, ...(condition.length > 0 ? { condition: condition.join(":") } : {}) };
      }),
  });
}

describe("an input", () => {
  const task = (given: unknown) => graphOf({ tasks: [{ id: "A", type: "http", inputs: given as never }] }).tasks[0]!;

  it.each([
    [{}, { way: "blank", name: "A.url" }],
    [{ url: { blank: true } }, { way: "blank", name: "A.url" }],
    [{ url: { blank: "address" } }, { way: "blank", name: "address" }],
    [{ url: "https://x.test" }, { way: "value", value: "https://x.test" }],
    [{ url: { blank: 3 } }, { way: "value", value: { blank: 3 } }],
    [{ url: "https://x.test/${tasks.B.output.id}" }, { way: "mapping", text: "https://x.test/${tasks.B.output.id}" }],
  ])("given as %j is %j", (given, way) => {
    expect(wayOf(task(given), { name: "url", isFixed: false })).toEqual(way);
  });

  it("that the author alone gives is a value, whatever it looks like", () => {
    const code = "return `${tasks.B.output}`";
    expect(wayOf(task({ url: code }), { name: "url", isFixed: true })).toEqual({ way: "value", value: code });
    const script: TaskType = { ...HTTP, input_schema: { required: ["code"], properties: { code: { fixed: true } } } };
    expect(firstInputs(script)).toEqual({});
    expect(firstInputs(HTTP)).toEqual({ url: { blank: true } });
  });

  it("is one of its type", () => {
    expect(fieldsOf(HTTP).map(({ name, isRequired }) => [name, isRequired])).toEqual([
      ["url", true],
      ["method", false],
    ]);
    expect(fieldsOf(undefined)).toEqual([]);
  });

  it("is asked of the caller once a name, where it must be given or is marked", () => {
    const { tasks } = graphOf({
      tasks: [
        { id: "A", type: "http", inputs: { url: { blank: "address" } } },
        { id: "B", type: "http", inputs: { url: { blank: "address" }, method: { blank: true } } },
        { id: "C", type: "http", inputs: {} },
      ],
    });
    const found = blanksOf({ ...graph("A"), tasks }, TYPES);
    expect(found.map(({ name }) => name)).toEqual(["address", "B.method", "C.url"]);
  });
});

describe("what surely ran before", () => {
  it.each([
    ["a chain", "A B C", "A>B B>C", "C", ["A", "B"]],
    ["two that are needed", "A B C", "A>C B>C", "C", ["A", "B"]],
    ["one of two", "A B C?", "A>C B>C", "C", []],
    ["one of two, after one", "A B C D?", "A>B A>C B>D C>D", "D", ["A"]],
    ["a failure", "A B C", "A>B B>C:failed", "C", ["A"]],
    ["whatever happened", "A B C", "A>B B>C:always", "C", []],
    ["both ways of a condition, merged", "A B C D", "A>B:port:yes A>C:port:no B>D C>D", "D", ["A"]],
    ["a way of a condition", "A B C", "A>B:port:yes B>C", "C", ["A", "B"]],
    ["nothing", "A B", "", "B", []],
  ])("%s", (_what, tasks, links, id, expected) => {
    expect(surelyBefore(graph(tasks, links), id)).toEqual(expected);
  });

  it("is what mappings are proposed from", () => {
    const texts = sourcesFor(graph("A B", "A>B"), TYPES, "B").map(({ text }) => text);
    expect(texts).toContain("${tasks.A.output.body.id}");
    expect(texts).toContain("${context.user_id}");
    expect(texts.some((text) => text.startsWith("${tasks.B"))).toBe(false);
  });
});
