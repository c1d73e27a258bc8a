/** The menu of what was right-clicked on the canvas, or was asked for with the menu key. */

import { useRef, type MouseEvent } from "react";
import { CopyPlus, Settings, Trash2 } from "lucide-react";
import { Menu, MenuItem, Popover } from "react-aria-components";
import { addTask, COMPLETED, GRID, linkIn, newName, removeLink, removeTask, setCondition, taskIn } from "./model.ts";
import type { Change, Graph } from "./model.ts";
import { useBoard } from "./board-context.ts";
import { conditionsFor, conditionWord } from "./looks.tsx";

/** What the menu is about, and where it opens. */
export interface MenuAt {
  event: MouseEvent;
  target: { task: string } | { from: string; to: string };
}

interface BoardMenuProps {
  at: MenuAt | null;
  graph: Graph;
  onChange: (change: Change | null) => void;
  onClose: () => void;
}

/** The menu, while there is something that it is about. */
export function BoardMenu({ at, graph, onChange, onClose }: BoardMenuProps) {
  const anchor = useRef<HTMLSpanElement>(null);
  if (at === null) return null;
  const { clientX: left, clientY: top } = at.event;
  return (
    <>
      <span ref={anchor} className="menu-anchor" style={{ left, top }} />
      <Popover
        triggerRef={anchor}
        isOpen
        placement="bottom start"
        className="popover menu"
        onOpenChange={(open) => !open && onClose()}
      >
        {"task" in at.target ? (
          <TaskMenu id={at.target.task} graph={graph} onChange={onChange} onClose={onClose} />
        ) : (
          <LinkMenu {...at.target} graph={graph} onChange={onChange} onClose={onClose} />
        )}
      </Popover>
    </>
  );
}

type ItemsProps = Omit<BoardMenuProps, "at">;

function TaskMenu({ id, graph, onChange, onClose }: ItemsProps & { id: string }) {
  return (
    <Menu aria-label={`Task ${id}`} onClose={onClose} autoFocus="first">
      <MenuItem className="list-item" onAction={() => onChange(doubled(graph, id))}>
        <CopyPlus size={15} aria-hidden /> Duplicate
      </MenuItem>
      <MenuItem className="list-item bad" onAction={() => onChange(removeTask(graph, id))}>
        <Trash2 size={15} aria-hidden /> Delete
      </MenuItem>
    </Menu>
  );
}

/** Another task that is the same, beside it. */
function doubled(graph: Graph, id: string): Change | null {
  const task = taskIn(graph, id);
  if (!task) return null;
  const { x, y } = graph.positions[id] ?? { x: 0, y: 0 };
  return addTask(graph, { ...task, id: newName(graph, task.type) }, { x: x + GRID.x / 4, y: y + GRID.y / 2 });
}

function LinkMenu({ from, to, graph, onChange, onClose }: ItemsProps & { from: string; to: string }) {
  const { types } = useBoard();
  const now = linkIn(graph, from, to)?.condition ?? COMPLETED;
  const others = conditionsFor(types.get(taskIn(graph, from)?.type ?? ""), now).filter((each) => each !== now);
  return (
    <Menu aria-label={`Link from ${from} to ${to}`} onClose={onClose} autoFocus="first">
      {others.map((each) => (
        <MenuItem key={each} className="list-item" onAction={() => onChange(setCondition(graph, from, to, each))}>
          <Settings size={15} aria-hidden /> When: {conditionWord(each)}
        </MenuItem>
      ))}
      <MenuItem className="list-item bad" onAction={() => onChange(removeLink(graph, from, to))}>
        <Trash2 size={15} aria-hidden /> Delete
      </MenuItem>
    </Menu>
  );
}
