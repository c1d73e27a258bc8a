/**
 * The palette, the canvas and its side.
 *
 * Laws:
 * - Of a session the version that it runs is shown, whatever is being drawn meanwhile; nothing of it can be changed.
 */

import { useEffect, useMemo, useState, type KeyboardEvent } from "react";
import type { TaskType } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { isVersionId } from "../machines/paths.ts";
import type { Staged } from "../pauses/stage.tsx";
import { announce } from "../ui/announcer.tsx";
import { useAnswer } from "../ui/use-answer.ts";
import { arranged, usePlaced } from "./arrange.ts";
import { BoardContext, type BoardActions } from "./board-context.ts";
import { Faults } from "./faults.ts";
import { GraphPanel, Verdict } from "./graph-panel.tsx";
import { firstInputs } from "./inputs.ts";
import { Board } from "./lazy-board.tsx";
import { addLink, addTask, freePlace, graphOf, moveTasks, newName, renameTask, taskIn, whyNoLink } from "./model.ts";
import type { Change, Graph, Point } from "./model.ts";
import { Palette } from "./palette.tsx";
import { PortReader, progressOf } from "./progress.ts";
import { SessionPanel } from "./session-panel.tsx";
import { TaskPanel } from "./task-panel.tsx";
import type { useFaults, Working } from "./use-graph.ts";

interface StudioProps {
  working: Working;
  types: readonly TaskType[];
  checked: ReturnType<typeof useFaults>;
  onSave: () => void;
}

/** Where a graph is drawn. */
export function Studio({ working, types, checked, onSave }: StudioProps) {
  const { graph } = working;
  const byName = useMemo(() => new Map(types.map((type) => [type.name, type])), [types]);
  const { selected, opened, select, rename } = useSelected();
  const [fitting, setFitting] = useState(0);
  const actions = useActions(working, byName, select, rename);
  const task = selected === null ? undefined : taskIn(graph, selected);
  const add = (name: string, at: Point = freePlace(graph)) => {
    const id = newName(graph, name);
    actions.onChange(addTask(graph, { id, type: name, inputs: firstInputs(byName.get(name)) }, at));
    select(id);
    return id;
  };
  const arrange = () =>
    void arranged(graph).then((places) => {
      actions.onChange(moveTasks(graph, places, "Arranged"));
      setFitting(fitting + 1);
    });
  const faultsOf = useMemo(() => checked.faults.byTask(), [checked.faults]);
  return (
    <div className="studio-graph" onKeyDown={(event) => shortcut(event, working, onSave)}>
      <Palette
        types={types}
        onAdd={(name) => {
          add(name);
          setFitting(fitting + 1);
        }}
      />
      <Board
        {...actions}
        selected={selected}
        faults={faultsOf}
        progress={null}
        onDrop={add}
        onUndo={working.undo}
        onRedo={working.redo}
        onArrange={arrange}
        fitting={fitting}
      />
      <div className="studio-graph-side">
        <BoardContext value={actions}>
          <Verdict {...checked} />
          {task ? (
            <TaskPanel key={opened} task={task} types={byName} faults={checked.faults} />
          ) : (
            <GraphPanel types={byName} faults={checked.faults} />
          )}
        </BoardContext>
      </div>
    </div>
  );
}

/** The task that is selected; `opened` is another number whenever another one is, and the same when it is renamed. */
function useSelected() {
  const [{ selected, opened }, set] = useState<{ selected: string | null; opened: number }>({
    selected: null,
    opened: 0,
  });
  const select = (id: string | null) =>
    set((now) => (id === now.selected ? now : { selected: id, opened: now.opened + 1 }));
  const rename = (id: string) => set((now) => ({ ...now, selected: id }));
  return { selected, opened, select, rename };
}

function useActions(
  { graph, change }: Working,
  types: BoardActions["types"],
  onSelect: BoardActions["onSelect"],
  rename: (to: string) => void,
): BoardActions {
  const told = (made: Change | null) => {
    change(made);
    if (made !== null && !isTyped(made)) announce(`${made.says}.`);
  };
  const onConnect = (from: string, to: string) => {
    const why = whyNoLink(graph, from, to);
    if (why === null) told(addLink(graph, from, to));
    else announce(why);
  };
  const onRename = (from: string, to: string) => {
    const made = renameTask(graph, from, to);
    told(made);
    if (made !== null) rename(to);
  };
  return { graph, types, isEditable: true, onSelect, onChange: told, onConnect, onRename };
}

/** Whether a change is a letter of many. */
function isTyped({ about }: Change): boolean {
  return about !== undefined;
}

function shortcut(event: KeyboardEvent, { undo, redo }: Working, onSave: () => void): void {
  if (!event.ctrlKey && !event.metaKey) return;
  const key = event.key.toLowerCase();
  if (key === "s") {
    event.preventDefault();
    return onSave();
  }
  // In a field, these keys are its own.
  if (event.target instanceof HTMLElement && event.target.matches("input, textarea, select")) return;
  const act = key === "z" && !event.shiftKey ? undo : key === "y" || key === "z" ? redo : null;
  if (act === null) return;
  event.preventDefault();
  act();
}

// ── Sessions ──────────────────────────────────────────────────────────────────────────────────────────

interface SessionStudioProps {
  name: string;
  /** What is on the canvas: shown until it is known which version the session runs. */
  graph: Graph;
  types: readonly TaskType[];
  staged: Staged;
  onClose: () => void;
}

const nothing = () => undefined;

/** A session of a graph, live. */
export function SessionStudio({ name, graph: drawn, types, staged, onClose }: SessionStudioProps) {
  const { view } = staged;
  const graph = usePlaced(useRunning(name, view.version, drawn)) ?? drawn;
  const byName = useMemo(() => new Map(types.map((type) => [type.name, type])), [types]);
  const [selected, select] = useState<string | null>(null);
  const [reader] = useState(() => new PortReader());
  const ports = reader.read(view.log);
  const progress = useMemo(() => progressOf(view, graph, ports), [view, graph, ports]);
  const waiting = graph.tasks.find(({ id }) => progress.get(id)?.state === "paused")?.id ?? null;
  useEffect(() => {
    if (waiting !== null) announce(`${waiting} waits for an answer.`);
  }, [waiting]);
  const actions = {
    graph,
    types: byName,
    isEditable: false,
    onSelect: select,
    onChange: nothing,
    onConnect: nothing,
    onRename: nothing,
  };
  return (
    <div className="studio-graph of-session">
      <Board
        {...actions}
        selected={selected}
        faults={Faults.none.byTask()}
        progress={progress}
        onDrop={nothing}
        onUndo={null}
        onRedo={null}
        onArrange={nothing}
        fitting={0}
      />
      <div className="studio-graph-side">
        <SessionPanel {...staged} name={name} selected={selected} onClose={onClose} />
      </div>
    </div>
  );
}

/** The graph that a session runs. */
function useRunning(name: string, version: string | null, drawn: Graph): Graph {
  const { client } = useInterlock();
  const { data } = useAnswer(`graph ${name} ${version ?? ""}`, async () =>
    isVersionId(version) ? await client.graphs.version(name, version) : null,
  );
  return useMemo(() => (data === null ? drawn : graphOf(data.definition as never)), [data, drawn]);
}
