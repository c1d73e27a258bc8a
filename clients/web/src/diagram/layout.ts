/**
 * Where the nodes and edges of a graph go: layers from the top down, by ELK, in a worker of its own.
 *
 * Laws:
 * - The page stays responsive: nothing is computed in it. One worker serves all canvases.
 * - What is declared first stands first, so that a small change of a graph is a small change of its picture.
 */

import ELK, { type ElkExtendedEdge, type ElkNode } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import type { Box, Edge, Graph, Layout, Node, Point } from "./graph.ts";

const OPTIONS = {
  "elk.algorithm": "layered",
  "elk.direction": "DOWN",
  "elk.edgeRouting": "ORTHOGONAL",
  "elk.hierarchyHandling": "INCLUDE_CHILDREN",
  "elk.json.edgeCoords": "ROOT",
  "elk.padding": "[top=12,left=12,bottom=12,right=12]",
  "elk.spacing.nodeNode": "36",
  "elk.spacing.edgeNode": "18",
  "elk.spacing.edgeEdge": "14",
  "elk.spacing.edgeLabel": "4",
  "elk.layered.spacing.nodeNodeBetweenLayers": "34",
  "elk.layered.spacing.edgeNodeBetweenLayers": "16",
  "elk.layered.considerModelOrder.strategy": "NODES_AND_EDGES",
  "elk.layered.nodePlacement.strategy": "NETWORK_SIMPLEX",
};

interface Placer {
  elk: InstanceType<typeof ELK>;
  /** Rejects if the worker can't be loaded. */
  broken: Promise<never>;
}

let placer: Placer | undefined;

/** Places a graph. Rejects where that can't be done; the next one is tried anew. */
export async function placed<N, E>(graph: Graph<N, E>): Promise<Layout> {
  placer ??= newPlacer();
  const { elk, broken } = placer;
  return layoutOf(await Promise.race([elk.layout(rooted(graph)), broken]));
}

function newPlacer(): Placer {
  const worker = new Worker(workerUrl);
  const broken = new Promise<never>((_, reject) => {
    worker.addEventListener("error", () => {
      placer = undefined;
      reject(new Error("The worker that places graphs can't be loaded."));
    });
  });
  broken.catch(() => undefined);
  return { elk: new ELK({ workerFactory: () => worker }), broken };
}

function rooted<N, E>({ nodes, edges }: Graph<N, E>): ElkNode {
  const made = new Map<string, ElkNode>();
  const root: ElkNode = { id: "", layoutOptions: OPTIONS, children: [], edges: edges.map(elkEdge) };
  for (const node of nodes) {
    const child = elkNode(node);
    made.set(node.id, child);
    const parent = node.parent === undefined ? root : (made.get(node.parent) ?? root);
    (parent.children ??= []).push(child);
  }
  return root;
}

function elkNode<N>({ id, width, height, head }: Node<N>): ElkNode {
  const padding = { "elk.padding": `[top=${(head ?? 0) + 12},left=14,bottom=14,right=14]` };
  return { id, width, height, ...(head === undefined ? {} : { layoutOptions: padding }) };
}

function elkEdge<E>({ id, from, to, label }: Edge<E>): ElkExtendedEdge {
  const written = { id: `${id}/label`, text: " ", ...label, layoutOptions: { "elk.edgeLabels.inline": "true" } };
  return { id, sources: [from], targets: [to], ...(label ? { labels: [written] } : {}) };
}

function layoutOf(root: ElkNode): Layout {
  const nodes = new Map<string, Box>();
  const visit = (node: ElkNode) => {
    for (const child of node.children ?? []) {
      const { x = 0, y = 0, width = 0, height = 0 } = child;
      nodes.set(child.id, { x, y, width, height });
      visit(child);
    }
  };
  visit(root);
  const edges = new Map((root.edges ?? []).map((edge) => [edge.id, routed(edge)] as const));
  return { width: root.width ?? 0, height: root.height ?? 0, nodes, edges };
}

function routed({ sections, labels }: ElkExtendedEdge): { points: Point[]; label: Point | null } {
  const points = (sections ?? []).flatMap((each) => [each.startPoint, ...(each.bendPoints ?? []), each.endPoint]);
  const [label] = labels ?? [];
  if (label?.x === undefined || label.y === undefined) return { points, label: null };
  return { points, label: { x: label.x + (label.width ?? 0) / 2, y: label.y + (label.height ?? 0) / 2 } };
}
