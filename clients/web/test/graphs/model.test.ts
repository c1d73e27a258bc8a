/** Graphs as they are drawn: whatever is done to one keeps it whole, and is undone exactly. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addLink,
  addTask,
  applied,
  changeInput,
  changeTask,
  definitionOf,
  describe as described,
  emptyGraph,
  freePlace,
  graphOf,
  isBefore,
  moveTasks,
  newName,
  removeLink,
  removeTask,
  renameTask,
  setCondition,
  type Change,
  type Graph,
} from "../../src/graphs/model.ts";
import { begun, done, redone, undone, type Work } from "../../src/graphs/steps.ts";

const names = fc.constantFrom("A", "B", "C", "D", "E");
const places = fc.record({ x: fc.integer({ min: -500, max: 500 }), y: fc.double({ min: 0, max: 500, noNaN: true }) });
const inputs = fc.oneof(
  fc.constant(undefined),
  fc.string(),
  fc.record({ blank: fc.oneof(fc.constant(true as const), names) }),
  names.map((name) => `\${tasks.${name}.output.text} and \${tasks.${name}}`),
  fc.array(names.map((name) => ({ deep: `\${tasks.${name}.output}` }))),
);

/** Something that is done to a graph, if it can be. */
type Act = (graph: Graph) => Change | null;

const acts: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(names, places).map(
    ([id, at]): Act =>
      (graph) =>
        addTask(graph, { id, type: "set", inputs: {} }, at),
  ),
  fc.tuple(names, names).map(
    ([from, to]): Act =>
      (graph) =>
        addLink(graph, from, to),
  ),
  fc.tuple(names, names).map(
    ([from, to]): Act =>
      (graph) =>
        renameTask(graph, from, to),
  ),
  fc.tuple(names, names).map(
    ([from, to]): Act =>
      (graph) =>
        removeLink(graph, from, to),
  ),
  fc.tuple(names, names, fc.constantFrom("completed", "failed", "always", "port:yes")).map(
    ([from, to, condition]): Act =>
      (graph) =>
        setCondition(graph, from, to, condition),
  ),
  names.map(
    (id): Act =>
      (graph) =>
        removeTask(graph, id),
  ),
  fc.tuple(names, places).map(
    ([id, at]): Act =>
      (graph) =>
        moveTasks(graph, { [id]: at }),
  ),
  fc.tuple(names, inputs).map(
    ([id, value]): Act =>
      (graph) =>
        changeInput(graph, id, "text", value),
  ),
  fc.tuple(names, fc.option(fc.string(), { nil: undefined })).map(
    ([id, title]): Act =>
      (graph) =>
        changeTask(graph, id, { title }, "title"),
  ),
  fc.string().map(
    (text): Act =>
      (graph) =>
        described(graph, text),
  ),
);

function after(list: readonly Act[]): { work: Work; all: Graph[] } {
  let work = begun(emptyGraph("g"));
  const all = [work.graph];
  for (const act of list) {
    const change = act(work.graph);
    if (change === null) continue;
    work = done(work, change);
    all.push(work.graph);
  }
  return { work, all };
}

describe("changes", () => {
  it("are each undone exactly", () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 30 }), acts, (list, act) => {
        const { graph } = after(list).work;
        const change = act(graph);
        if (change === null) return;
        const { graph: changed, inverse } = applied(graph, change);
        const back = applied(changed, inverse);
        expect(back.graph).toEqual(graph);
        expect(applied(back.graph, back.inverse).graph).toEqual(changed);
      }),
    );
  });

  it("are undone to the beginning and done again to the end", () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 40 }), (list) => {
        const { work, all } = after(list);
        let now = work;
        while (now.undos.length > 0) now = undone(now);
        expect(now.graph).toEqual(all[0]);
        while (now.redos.length > 0) now = redone(now);
        expect(now.graph).toEqual(work.graph);
      }),
    );
  });

  it("keep a graph whole: each link between two of its tasks, no circle, no two of one name", () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 40 }), (list) => {
        const { graph } = after(list).work;
        const ids = graph.tasks.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        expect(Object.keys(graph.positions).sort()).toEqual([...ids].sort());
        expect(new Set(graph.links.map(({ from, to }) => `${from}>${to}`)).size).toBe(graph.links.length);
        for (const { from, to } of graph.links) {
          expect(ids).toContain(from);
          expect(ids).toContain(to);
          expect(isBefore(graph, to, from)).toBe(false);
        }
      }),
    );
  });

  it("of the same thing are one step", () => {
    const { work } = after([
      (graph) => addTask(graph, { id: "A", type: "set", inputs: {} }, { x: 0, y: 0 }),
      (graph) => changeInput(graph, "A", "text", "h"),
      (graph) => changeInput(graph, "A", "text", "hi"),
    ]);
    expect(work.undos).toHaveLength(2);
    expect(undone(work).graph.tasks[0]?.inputs).toEqual({});
  });
});

describe("a graph", () => {
  it("is the same after it was JSON", () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 30 }), (list) => {
        const { graph } = after(list).work;
        const kept = graphOf(definitionOf(graph));
        expect(definitionOf(kept)).toEqual(definitionOf(graph));
      }),
    );
  });

  it("is there for any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const { tasks, links } = graphOf(value as never);
        expect(tasks.length).toBeGreaterThanOrEqual(0);
        expect(links.length).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("keeps what the canvas doesn't draw", () => {
    const definition = {
      name: "g",
      tasks: [{ id: "A", type: "http", inputs: { url: "x" }, retries: 3, integration: "crm" }],
      links: [],
      returns: { text: "${tasks.A.output.body}" },
      fail_fast: true,
    };
    expect(definitionOf(graphOf(definition))).toEqual(definition);
    const renamed = applied(graphOf(definition), renameTask(graphOf(definition), "A", "Z")!).graph;
    expect(definitionOf(renamed)["returns"]).toEqual({ text: "${tasks.Z.output.body}" });
  });

  it("has room for a task that is added, and a name", () => {
    fc.assert(
      fc.property(fc.array(acts, { maxLength: 30 }), (list) => {
        const { graph } = after(list).work;
        const at = freePlace(graph);
        for (const { x, y } of Object.values(graph.positions))
          expect(Math.abs(x - at.x) >= 200 || Math.abs(y - at.y) >= 60).toBe(true);
        expect(addTask(graph, { id: newName(graph, "A"), type: "A", inputs: {} }, at)).not.toBeNull();
      }),
    );
  });
});
