import { describe, expect, it } from "vitest";
import { differences } from "../../src/graphs/difference.ts";
import { placedIn } from "../../src/graphs/faults.ts";
import {
  addLink,
  addTask,
  applied,
  emptyGraph,
  removeTask,
  setCondition,
  type Change,
} from "../../src/graphs/model.ts";

function after(...changes: ((graph: ReturnType<typeof emptyGraph>) => Change | null)[]) {
  return changes.reduce((graph, each) => {
    const change = each(graph);
    return change === null ? graph : applied(graph, change).graph;
  }, emptyGraph("g"));
}

const add = (id: string) => (graph: ReturnType<typeof emptyGraph>) =>
  addTask(graph, { id, type: "set", inputs: {} }, { x: 0, y: 0 });
const both = [add("A"), add("B"), (graph: ReturnType<typeof emptyGraph>) => addLink(graph, "A", "B")];

describe("a fault", () => {
  const faults = placedIn(
    after(...both),
    [
      { path: "tasks[1].inputs.url", message: "It needs a url." },
      { path: "tasks[1].inputs.headers.x", message: "It isn’t a text." },
      { path: "tasks[0].type", message: "No such type." },
      { path: "links[0].condition", message: "No such condition." },
      { path: "name", message: "It is taken." },
    ],
    [{ path: "tasks[0]", message: "Nothing leads on." }],
  );

  it("stands at the input, the task, or the task that a link leads to", () => {
    expect(faults.ofInput("B", "url")).toEqual(["It needs a url."]);
    expect(faults.ofInput("B", "headers")).toEqual(["It isn’t a text."]);
    expect(faults.ofTask("A")).toEqual(["No such type.", "Nothing leads on."]);
    expect(faults.ofTask("B")).toEqual(["No such condition."]);
    expect(faults.byTask().get("B")).toHaveLength(3);
  });

  it("is no error where it is a warning", () => {
    expect(faults.errors).toHaveLength(5);
    expect(faults.all).toHaveLength(6);
  });
});

describe("the difference of two graphs", () => {
  it("is said of tasks, links and conditions", () => {
    const mine = after(...both);
    expect(differences(mine, mine)).toEqual([]);
    const theirs = after(
      ...both,
      add("C"),
      (graph) => addLink(graph, "A", "C"),
      (graph) => setCondition(graph, "A", "B", "failed"),
    );
    expect(differences(mine, theirs)).toEqual(["Task C is there.", "B runs when A is failed.", "A leads to C."]);
    const without = after(...both, (graph) => removeTask(graph, "A"));
    expect(differences(mine, without)).toEqual(["Task A is gone.", "A doesn’t lead to B."]);
  });
});
