/** Where tasks go when nobody has put them anywhere: layers, by ELK, in its worker. */

import { useEffect, useState } from "react";
import { placed } from "../diagram/layout.ts";
import { freePlace, keyOf, type Graph, type Point } from "./model.ts";
import { NODE_SIZE } from "./task-size.ts";

/** The places of all tasks. */
export async function arranged(graph: Graph): Promise<Record<string, Point>> {
  const layout = await placed({
    nodes: graph.tasks.map(({ id }) => ({ id, ...NODE_SIZE, data: null })),
    edges: graph.links.map((link) => ({
      id: keyOf(link),
      from: link.from,
      to: link.to,
      label: { width: 60, height: 34 },
      data: null,
    })),
  });
  const found = graph.tasks.map(({ id }): [string, Point] => {
    const box = layout.nodes.get(id);
    return [id, { x: Math.round(box?.x ?? 0), y: Math.round(box?.y ?? 0) }];
  });
  return Object.fromEntries(found);
}

function isPlaced({ tasks, positions }: Graph): boolean {
  return tasks.every(({ id }) => Object.hasOwn(positions, id));
}

/** A graph whose tasks all have a place: those that had one keep it. Null while that is found out. */
export function usePlaced(graph: Graph): Graph | null {
  const [found, setFound] = useState<{ of: Graph; graph: Graph } | null>(null);
  useEffect(() => {
    if (isPlaced(graph)) return undefined;
    let isOver = false;
    const tell = (positions: Record<string, Point>) =>
      !isOver && setFound({ of: graph, graph: { ...graph, positions } });
    arranged(graph).then(
      (places) => tell({ ...places, ...graph.positions }),
      () => tell(inRows(graph)),
    );
    return () => void (isOver = true);
  }, [graph]);
  if (isPlaced(graph)) return graph;
  return found?.of === graph ? found.graph : null;
}

function inRows(graph: Graph): Record<string, Point> {
  let positions = graph.positions;
  for (const { id } of graph.tasks) {
    if (!Object.hasOwn(positions, id)) positions = { ...positions, [id]: freePlace({ ...graph, positions }) };
  }
  return positions;
}
