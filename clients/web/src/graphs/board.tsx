/**
 * The canvas of a graph: tasks that are dragged and connected, links with their conditions, and where a session stands.
 *
 * Laws:
 * - All that can be done with the mouse can be done with the keyboard: each task is a button, a menu has the rest.
 * - A task that is being dragged is where the pointer is; the graph changes once, when it is let go.
 * - The page scrolls over it: it is zoomed by its buttons, by a pinch, or with Ctrl and the wheel.
 */

import "@xyflow/react/dist/base.css";
import "../styles/diagram.css";
import "../styles/graphs.css";
import { useCallback, useEffect, useMemo, useState, type DragEvent } from "react";
import { Maximize, Minus, Plus, Redo2, Undo2, WandSparkles } from "lucide-react";
import {
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  type Connection,
  type Edge as FlowEdge,
  type Node as FlowNode,
  type NodeChange,
} from "@xyflow/react";
import { Button } from "../ui/button.tsx";
import { BoardContext, type BoardActions } from "./board-context.ts";
import { BoardMenu, type MenuAt } from "./board-menu.tsx";
import { DRAGGED } from "./dragged.ts";
import { LinkEdge } from "./link-edge.tsx";
import { keyOf, moveTasks, whyNoLink, type Graph, type Point } from "./model.ts";
import { isTaken, type TaskProgress } from "./progress.ts";
import { TaskNode, type TaskData } from "./task-node.tsx";
import { NODE_SIZE } from "./task-size.ts";

const FIT = { padding: 0.12, maxZoom: 1 };
const NODE_TYPES = { task: TaskNode };
const EDGE_TYPES = { link: LinkEdge };

/** How the library is used: what it does by itself with keys and the wheel is the page's. */
const FIXED = {
  minZoom: 0.2,
  maxZoom: 1.75,
  nodesFocusable: false,
  edgesFocusable: false,
  elementsSelectable: false,
  connectionRadius: 36,
  nodeDragThreshold: 4,
  zoomOnScroll: false,
  zoomOnDoubleClick: false,
  preventScrolling: false,
  deleteKeyCode: null,
  selectionKeyCode: null,
  disableKeyboardA11y: true,
} as const;

/** What a `Board` takes. */
export interface BoardProps extends BoardActions {
  selected: string | null;
  /** What is wrong, by the task. */
  faults: ReadonlyMap<string, readonly string[]>;
  /** How far a session has come; null without one. */
  progress: ReadonlyMap<string, TaskProgress> | null;
  /** A type was dropped there. */
  onDrop: (type: string, at: Point) => void;
  onUndo: (() => void) | null;
  onRedo: (() => void) | null;
  onArrange: () => void;
  /** Another number shows the whole anew. */
  fitting: number;
}

/** The canvas. */
export default function Board(props: BoardProps) {
  return (
    <ReactFlowProvider>
      <BoardContext value={props}>
        <Flow {...props} />
      </BoardContext>
    </ReactFlowProvider>
  );
}

function Flow(props: BoardProps) {
  const { graph, onChange, onSelect, onConnect, onDrop, fitting, isEditable } = props;
  const [menu, setMenu] = useState<MenuAt | null>(null);
  const { nodes, onNodesChange } = useNodes(props);
  const edges = useMemo(() => edgesOf(graph, props.progress), [graph, props.progress]);
  const flow = useReactFlow();
  const connected = useCallback(({ source, target }: Connection) => onConnect(source, target), [onConnect]);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    const type = event.dataTransfer.getData(DRAGGED);
    const { x, y } = flow.screenToFlowPosition({ x: event.clientX, y: event.clientY });
    if (type !== "") onDrop(type, { x: x - NODE_SIZE.width / 2, y: y - NODE_SIZE.height / 2 });
  };
  const open = (event: MenuAt["event"], target: MenuAt["target"]) => {
    if (!isEditable) return;
    event.preventDefault();
    setMenu({ event, target });
  };
  return (
    <div className="canvas board" role="group" aria-label="Canvas">
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        onNodesChange={onNodesChange}
        onConnect={connected}
        isValidConnection={({ source, target }) => whyNoLink(graph, source, target) === null}
        onDrop={drop}
        onDragOver={(event) => event.preventDefault()}
        onPaneClick={() => onSelect(null)}
        onNodeContextMenu={(event, node) => open(event, { task: node.id })}
        onEdgeContextMenu={(event, edge) => open(event, { from: edge.source, to: edge.target })}
        {...FIXED}
        nodesDraggable={isEditable}
        nodesConnectable={isEditable}
      >
        <Tools {...props} />
        <Fitting round={fitting} />
      </ReactFlow>
      {graph.tasks.length === 0 && (
        <p className="board-empty">Drag a task here from the list, or press one there to add it.</p>
      )}
      <BoardMenu at={menu} graph={graph} onChange={onChange} onClose={() => setMenu(null)} />
    </div>
  );
}

/** The tasks as nodes; those that are being dragged are where the pointer is. */
function useNodes({ graph, types, selected, faults, progress, onChange }: BoardProps) {
  const [dragged, setDragged] = useState<Readonly<Record<string, Point>>>({});
  const nodes = useMemo(
    () =>
      graph.tasks.map((task): FlowNode<TaskData> => {
        const isSelected = task.id === selected;
        const data: TaskData = {
          task,
          type: types.get(task.type),
          isSelected,
          faults: faults.get(task.id) ?? [],
          progress: progress?.get(task.id) ?? null,
        };
        const position = dragged[task.id] ?? graph.positions[task.id] ?? { x: 0, y: 0 };
        return { id: task.id, type: "task", position, ...NODE_SIZE, measured: NODE_SIZE, data };
      }),
    [graph, types, selected, faults, progress, dragged],
  );
  const onNodesChange = (changes: NodeChange[]) => {
    const moving = changes.flatMap((each) => (each.type === "position" && each.position ? [each] : []));
    if (moving.length === 0) return;
    const places = Object.fromEntries(moving.map(({ id, position }) => [id, position ?? { x: 0, y: 0 }]));
    if (moving.some(({ dragging }) => dragging === true)) {
      setDragged({ ...dragged, ...places });
      return;
    }
    setDragged({});
    onChange(moveTasks(graph, places));
  };
  return { nodes, onNodesChange };
}

function edgesOf(graph: Graph, progress: BoardProps["progress"]): FlowEdge[] {
  return graph.links.map((link) => ({
    id: keyOf(link),
    source: link.from,
    target: link.to,
    type: "link",
    data: { link, isTaken: progress !== null && isTaken(link, progress) },
    zIndex: 1,
  }));
}

function Fitting({ round }: { round: number }) {
  const flow = useReactFlow();
  useEffect(() => {
    // Nothing is to be shown yet on an empty canvas: what is dropped there stays under the pointer.
    const frame = requestAnimationFrame(() => flow.getNodes().length > 0 && void flow.fitView(FIT));
    return () => cancelAnimationFrame(frame);
  }, [flow, round]);
  return null;
}

function Tools({ isEditable, onUndo, onRedo, onArrange, graph }: BoardProps) {
  const flow = useReactFlow();
  return (
    <div className="canvas-buttons" role="toolbar" aria-label="Canvas">
      {isEditable && (
        <>
          <Button small aria-label="Undo" isDisabled={onUndo === null} onPress={() => onUndo?.()}>
            <Undo2 size={15} aria-hidden />
          </Button>
          <Button small aria-label="Redo" isDisabled={onRedo === null} onPress={() => onRedo?.()}>
            <Redo2 size={15} aria-hidden />
          </Button>
          <Button small aria-label="Arrange the tasks" isDisabled={graph.tasks.length < 2} onPress={onArrange}>
            <WandSparkles size={15} aria-hidden />
          </Button>
          <span className="canvas-gap" />
        </>
      )}
      <Button small aria-label="Zoom in" onPress={() => void flow.zoomIn()}>
        <Plus size={15} aria-hidden />
      </Button>
      <Button small aria-label="Zoom out" onPress={() => void flow.zoomOut()}>
        <Minus size={15} aria-hidden />
      </Button>
      <Button small aria-label="Show the whole graph" onPress={() => void flow.fitView(FIT)}>
        <Maximize size={15} aria-hidden />
      </Button>
    </div>
  );
}
