/** A task on the canvas: a button that shows it at the side, with where it stands and what is wrong with it. */

import type { KeyboardEvent } from "react";
import { AlertTriangle, Check, Hand, Minus, X } from "lucide-react";
import { Handle, Position, type NodeProps } from "@xyflow/react";
import type { StepState, TaskType } from "@interlock/client";
import { counted, durationOf } from "../ui/format.ts";
import { stateWord } from "../ui/status.tsx";
import { useBoard } from "./board-context.ts";
import { fieldsOf, wayOf } from "./inputs.ts";
import { TypeIcon } from "./looks.tsx";
import { moveTasks, removeTask, type Point, type Task } from "./model.ts";
import type { TaskProgress } from "./progress.ts";

/** What a task on the canvas shows. */
export interface TaskData extends Record<string, unknown> {
  task: Task;
  type: TaskType | undefined;
  isSelected: boolean;
  faults: readonly string[];
  progress: TaskProgress | null;
}

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowUp: { x: 0, y: -20 },
  ArrowDown: { x: 0, y: 20 },
  ArrowLeft: { x: -20, y: 0 },
  ArrowRight: { x: 20, y: 0 },
};

/** A task. */
export function TaskNode({ data }: NodeProps) {
  const { task, type, isSelected, faults, progress } = data as TaskData;
  const { graph, isEditable, onSelect, onChange } = useBoard();
  const onKeyDown = (event: KeyboardEvent) => {
    if (!isEditable) return;
    const step = event.altKey ? ARROWS[event.key] : undefined;
    if (event.key === "Delete" || event.key === "Backspace") onChange(removeTask(graph, task.id));
    else if (step) onChange(moveTasks(graph, { [task.id]: shifted(graph.positions[task.id], step) }));
    else return;
    event.preventDefault();
  };
  const isWrong = faults.length > 0;
  return (
    <>
      <Handle type="target" position={Position.Top} className="port" />
      <button
        type="button"
        className={`node-state task nopan ${lookOf(progress)}${isWrong ? " wrong" : ""}`}
        aria-pressed={isSelected}
        title={isWrong ? faults.join("\n") : undefined}
        onClick={() => onSelect(task.id)}
        onKeyDown={onKeyDown}
      >
        <TypeIcon type={type} />
        <span className="node-words">
          <span className="node-name">{task.title ?? task.id}</span>
          <span className="node-does">{doesOf(task, type, progress)}</span>
          {isWrong && <span className="unseen">, {faults.join(" ")}</span>}
        </span>
        <Sign progress={progress} isWrong={isWrong} />
      </button>
      <Handle type="source" position={Position.Bottom} className="port" />
    </>
  );
}

function shifted(place: Point | undefined, step: Point): Point {
  return { x: (place?.x ?? 0) + step.x, y: (place?.y ?? 0) + step.y };
}

/** What a task does, or did, in a few words. */
function doesOf(task: Task, type: TaskType | undefined, progress: TaskProgress | null): string {
  if (progress !== null) {
    const took = progress.step?.durationMs;
    const time = typeof took === "number" && progress.state !== "running" ? ` · ${durationOf(took)}` : "";
    return `${stateWord(progress.state)}${time}`;
  }
  const blanks = fieldsOf(type).filter(
    (field) => wayOf(task, field).way === "blank" && (field.isRequired || task.inputs[field.name] !== undefined),
  ).length;
  return [type?.title ?? task.type, blanks === 0 ? "" : counted(blanks, "blank")].filter(Boolean).join(" · ");
}

const LOOKS: Partial<Record<StepState, string>> = {
  completed: "passed",
  running: "inside",
  interrupted: "inside",
  paused: "halted",
  failed: "failed",
  skipped: "skipped",
  stopped: "skipped",
};

function lookOf(progress: TaskProgress | null): string {
  return progress === null ? "" : (LOOKS[progress.state] ?? "");
}

function Sign({ progress, isWrong }: { progress: TaskProgress | null; isWrong: boolean }) {
  return (
    <span className="node-sign" aria-hidden>
      {signOf(progress, isWrong)}
    </span>
  );
}

function signOf(progress: TaskProgress | null, isWrong: boolean) {
  switch (progress?.state) {
    case undefined:
      return isWrong ? <AlertTriangle size={16} /> : null;
    case "completed":
      return <Check size={16} />;
    case "failed":
      return <X size={16} />;
    case "paused":
      return <Hand size={16} />;
    case "running":
    case "interrupted":
      return <span className="dot" />;
    case "skipped":
    case "stopped":
      return <Minus size={16} />;
    default:
      return null;
  }
}
