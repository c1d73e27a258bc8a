/** The side of the canvas for the graph itself: what it is for, what it leaves blank, and what is wrong with it. */

import { AlertTriangle, Check, CircleX, LoaderCircle } from "lucide-react";
import type { TaskType } from "@interlock/client";
import { TextField } from "../ui/fields.tsx";
import { counted } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { useBoard } from "./board-context.ts";
import type { Faults } from "./faults.ts";
import { blanksOf, declaredOf, titleOf } from "./inputs.ts";
import { describe } from "./model.ts";

interface GraphPanelProps {
  types: ReadonlyMap<string, TaskType>;
  faults: Faults;
}

/** The panel. */
export function GraphPanel({ types, faults }: GraphPanelProps) {
  const { graph, onChange } = useBoard();
  const blanks = blanksOf(graph, types);
  const declared = declaredOf(graph);
  return (
    <section className="panel" aria-label="Graph">
      <TextField
        label="What it is for"
        rows={2}
        value={graph.description ?? ""}
        onChange={(text) => onChange(describe(graph, text))}
      />
      <h2>What the caller gives</h2>
      {blanks.length + declared.length === 0 ? (
        <p className="hint">Nothing: no input is left blank.</p>
      ) : (
        <ul className="blanks" aria-label="Blanks">
          {declared.map((name) => (
            <li key={`own ${name}`}>
              <code>{name}</code>
              <span className="hint">by the graph’s own schema</span>
            </li>
          ))}
          {blanks.map(({ name, field, task }) => (
            <li key={name}>
              <code>{name}</code>
              <span className="hint">
                {titleOf(field)} of {task}
                {field.isRequired ? "" : ", optional"}
              </span>
            </li>
          ))}
        </ul>
      )}
      {faults.all.length > 0 && <Problems faults={faults} />}
      <p className="hint">Press a task to set its inputs, and the cog of a link to set when it leads on.</p>
    </section>
  );
}

function Problems({ faults }: { faults: Faults }) {
  const { onSelect } = useBoard();
  return (
    <ul className="problems" aria-label="Faults">
      {faults.all.map(({ message, task, field, isWarning }, place) => (
        <li key={place}>
          <button
            type="button"
            className={`problem ${isWarning ? "warning" : "error"}`}
            disabled={task === null}
            onClick={() => onSelect(task)}
          >
            {isWarning ? <AlertTriangle size={15} aria-hidden /> : <CircleX size={15} aria-hidden />}
            <span className="problem-line">{[task, field].filter(Boolean).join(".")}</span>
            <span>{message}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

interface VerdictProps {
  faults: Faults;
  isChecking: boolean;
  problem: string | null;
}

/** In one line, whether anything is wrong. */
export function Verdict({ faults, isChecking, problem }: VerdictProps) {
  if (problem !== null) return <Notice tone="fault">It can’t be checked: {problem}</Notice>;
  const wrong = faults.errors.length;
  const warned = faults.all.length - wrong;
  const warnings = warned === 0 ? "" : counted(warned, "warning");
  return (
    <p className="verdict" role="status" aria-label="Validation">
      {isChecking ? (
        <>
          <LoaderCircle size={15} aria-hidden /> Checking…
        </>
      ) : wrong > 0 ? (
        <span className="bad">
          <CircleX size={15} aria-hidden /> {[counted(wrong, "fault"), warnings].filter(Boolean).join(", ")}
        </span>
      ) : (
        <span className="good">
          <Check size={15} aria-hidden /> {warnings === "" ? "Nothing is wrong" : warnings}
        </span>
      )}
    </p>
  );
}
