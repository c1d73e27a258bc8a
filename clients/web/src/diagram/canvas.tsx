/**
 * A canvas: a graph, laid out, that can be moved and looked into closer.
 *
 * Laws:
 * - It is to be looked at: nothing in it can be dragged or connected. Nodes take the focus, one after the other.
 * - The page scrolls over it: it is zoomed by its buttons, by a pinch, or with Ctrl and the wheel.
 * - It is as high as its graph needs, in what room there is; the whole is in sight until somebody moves it.
 * - While a changed graph is laid out, the one before stays.
 */

import "@xyflow/react/dist/base.css";
import "../styles/diagram.css";
import { useEffect, useMemo, useRef, useState, type ComponentType, type ReactNode } from "react";
import { Maximize, Minus, Plus } from "lucide-react";
import {
  Handle,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  type Edge as FlowEdge,
  type Node as FlowNode,
  type NodeProps,
} from "@xyflow/react";
import { Button } from "../ui/button.tsx";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { RoutedEdge, type EdgeLook } from "./edge.tsx";
import type { Graph, Layout } from "./graph.ts";
import { placed } from "./layout.ts";

const LOWEST = 240;
const HIGHEST = 640;
const FIT = { padding: 0.04, maxZoom: 1 };

/** What a `Canvas` takes. */
export interface CanvasProps<N extends object> {
  /** What screen readers call it. */
  label: string;
  graph: Graph<N, EdgeLook>;
  /** Draws a node; the same component each time. */
  node: ComponentType<Drawing<N>>;
  selected: string | null;
  onSelect: (id: string | null) => void;
}

/** What draws a node gets. What it has to press is a button of its own. */
export interface Drawing<N> {
  data: N;
  isSelected: boolean;
  onPress: () => void;
}

interface Drawn<N extends object> {
  graph: Graph<N, EdgeLook>;
  layout: Layout;
}

/** The canvas. */
export default function Canvas<N extends object>(props: CanvasProps<N>) {
  return (
    <ReactFlowProvider>
      <Placed {...props} />
    </ReactFlowProvider>
  );
}

function Placed<N extends object>(props: CanvasProps<N>) {
  const { layout, shape, fault } = usePlaced(props.graph);
  if (fault) return <Notice tone="fault">The diagram can’t be drawn. The list of states says the same.</Notice>;
  if (layout === null) return <Skeleton label="Drawing the diagram" lines={4} />;
  return <Flow {...props} drawn={{ graph: props.graph, layout }} shape={shape} />;
}

/** What of a graph its layout depends on: that of a run changes all the time, and its places don't. */
function shapeOf<N>({ nodes, edges }: Graph<N, EdgeLook>): string {
  return JSON.stringify([nodes.map(({ data: _data, ...node }) => node), edges.map(({ data: _data, ...edge }) => edge)]);
}

function usePlaced<N>(graph: Graph<N, EdgeLook>): { layout: Layout | null; shape: string; fault: boolean } {
  const shape = shapeOf(graph);
  const [found, setFound] = useState<{ layout: Layout | null; shape: string; fault: boolean }>({
    layout: null,
    shape: "",
    fault: false,
  });
  const latest = useRef(graph);
  useEffect(() => {
    latest.current = graph;
  });
  useEffect(() => {
    let isOver = false;
    placed(latest.current)
      .then((layout) => !isOver && setFound({ layout, shape, fault: false }))
      .catch(() => !isOver && setFound({ layout: null, shape, fault: true }));
    return () => void (isOver = true);
  }, [shape]);
  return found;
}

function Flow<N extends object>(props: CanvasProps<N> & { drawn: Drawn<N>; shape: string }) {
  const { label, drawn, node: Drawing, selected, onSelect, shape } = props;
  const box = useRef<HTMLDivElement>(null);
  const height = useHeight(box, drawn.layout);
  const { nodes, edges } = useMemo(() => flowOf(drawn, selected, onSelect), [drawn, selected, onSelect]);
  const nodeTypes = useMemo(() => ({ drawn: drawnBy(Drawing) }), [Drawing]);
  return (
    <div className="canvas" ref={box} style={{ height }} role="group" aria-label={label}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        edgeTypes={EDGE_TYPES}
        fitView
        fitViewOptions={FIT}
        minZoom={0.15}
        maxZoom={1.75}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        zoomOnDoubleClick={false}
        preventScrolling={false}
        deleteKeyCode={null}
        selectionKeyCode={null}
        disableKeyboardA11y
        onPaneClick={() => onSelect(null)}
      >
        <Steering shape={shape} height={height} />
      </ReactFlow>
    </div>
  );
}

/** The height at which the whole is seen in the width that there is, within bounds. */
function useHeight(box: React.RefObject<HTMLDivElement | null>, layout: Layout): number {
  const [width, setWidth] = useState(800);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const watching = new ResizeObserver(() => setWidth(element.clientWidth));
    watching.observe(element);
    return () => watching.disconnect();
  }, [box]);
  const scale = Math.min(1, width / Math.max(1, layout.width));
  return Math.round(Math.min(HIGHEST, Math.max(LOWEST, layout.height * scale + 24)));
}

function Steering({ shape, height }: { shape: string; height: number }) {
  const flow = useReactFlow();
  useEffect(() => {
    const frame = requestAnimationFrame(() => void flow.fitView(FIT));
    return () => cancelAnimationFrame(frame);
  }, [flow, shape, height]);
  return (
    <div className="canvas-buttons">
      <Steer label="Zoom in" onPress={() => void flow.zoomIn()}>
        <Plus size={15} aria-hidden />
      </Steer>
      <Steer label="Zoom out" onPress={() => void flow.zoomOut()}>
        <Minus size={15} aria-hidden />
      </Steer>
      <Steer label="Show the whole diagram" onPress={() => void flow.fitView(FIT)}>
        <Maximize size={15} aria-hidden />
      </Steer>
    </div>
  );
}

function Steer({ label, onPress, children }: { label: string; onPress: () => void; children: ReactNode }) {
  return (
    <Button small aria-label={label} onPress={onPress}>
      {children}
    </Button>
  );
}

// ── In the terms of React Flow ────────────────────────────────────────────────────────────────────────

const EDGE_TYPES = { routed: RoutedEdge };

function drawnBy<N extends object>(Drawing: CanvasProps<N>["node"]) {
  return function DrawnNode({ data }: NodeProps) {
    return (
      <>
        <Handle type="target" position={Position.Top} className="node-handle" />
        <Drawing {...(data as unknown as Drawing<N>)} />
        <Handle type="source" position={Position.Bottom} className="node-handle" />
      </>
    );
  };
}

function flowOf<N extends object>(
  { graph, layout }: Drawn<N>,
  selected: string | null,
  onSelect: CanvasProps<N>["onSelect"],
): { nodes: FlowNode[]; edges: FlowEdge[] } {
  const nodes = graph.nodes.flatMap(({ id, parent, data }): FlowNode[] => {
    const box = layout.nodes.get(id);
    if (box === undefined) return [];
    return [
      {
        id,
        type: "drawn",
        position: { x: box.x, y: box.y },
        width: box.width,
        height: box.height,
        data: { data, isSelected: id === selected, onPress: () => onSelect(id === selected ? null : id) },
        ...(parent === undefined ? {} : { parentId: parent }),
      },
    ];
  });
  const edges = graph.edges.flatMap(({ id, from, to, data }): FlowEdge[] => {
    const route = layout.edges.get(id);
    return route
      ? [
          {
            id,
            source: from,
            target: to,
            type: "routed",
            data: { tone: data.tone, title: data.title, text: data.label, ...route },
            zIndex: 1,
          },
        ]
      : [];
  });
  return { nodes, edges };
}
