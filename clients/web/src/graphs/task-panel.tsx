/** The side of the canvas for a task: its name, its inputs, what it runs after, and what comes then. */

import { useState } from "react";
import { Trash2, X } from "lucide-react";
import type { TaskType } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { Choice, Picker, TextField } from "../ui/fields.tsx";
import { Notice } from "../ui/notice.tsx";
import { useBoard } from "./board-context.ts";
import { fieldsOf, sourcesFor, type Field } from "./inputs.ts";
import { InputField } from "./input-field.tsx";
import { conditionsFor, conditionSays, conditionWord, TypeIcon } from "./looks.tsx";
import {
  changeInput,
  changeTask,
  conditionOf,
  isName,
  keyOf,
  removeLink,
  removeTask,
  setCondition,
  taskIn,
  whyNoLink,
  type Graph,
  type Link,
  type Task,
} from "./model.ts";
import type { Faults } from "./faults.ts";

interface TaskPanelProps {
  task: Task;
  types: ReadonlyMap<string, TaskType>;
  faults: Faults;
}

/** The panel. */
export function TaskPanel({ task, types, faults }: TaskPanelProps) {
  const { graph, onChange, onSelect } = useBoard();
  const type = types.get(task.type);
  return (
    <section className="panel" aria-label={`Task ${task.id}`}>
      <header className="panel-head">
        <TypeIcon type={type} size={18} />
        <h2>{type?.title ?? task.type}</h2>
        <span className="spacer" />
        <Button
          small
          tone="quiet"
          aria-label={`Delete ${task.id}`}
          onPress={() => onChange(removeTask(graph, task.id))}
        >
          <Trash2 size={16} aria-hidden />
        </Button>
        <Button small tone="quiet" aria-label="Close the task" onPress={() => onSelect(null)}>
          <X size={16} aria-hidden />
        </Button>
      </header>
      {type?.description && <p className="hint">{type.description}</p>}
      {type === undefined && <Notice tone="fault">The server has no tasks of the type {task.type}.</Notice>}
      {faults.ofTask(task.id).map((fault) => (
        <Notice key={fault} tone="fault">
          {fault}
        </Notice>
      ))}
      <Name task={task} />
      {type?.provider != null && <Integration task={task} type={type} />}
      {type !== undefined && <Inputs task={task} type={type} types={types} faults={faults} />}
      <Links task={task} />
    </section>
  );
}

function Name({ task }: { task: Task }) {
  const { graph, onRename } = useBoard();
  const [text, setText] = useState(task.id);
  const [shown, setShown] = useState(task.id);
  if (shown !== task.id) {
    setShown(task.id);
    setText(task.id);
  }
  const fault = whyNotCalled(graph, task.id, text);
  const rename = () => {
    if (fault === null) onRename(task.id, text);
    else setText(task.id);
  };
  return (
    <TextField
      label="Name"
      value={text}
      error={fault}
      onChange={setText}
      onBlur={rename}
      onKeyDown={(event) => event.key === "Enter" && rename()}
    />
  );
}

function whyNotCalled(graph: Graph, id: string, text: string): string | null {
  if (text === id) return null;
  if (!isName(text)) return "A name has 1 to 64 letters, digits, _ and -.";
  return taskIn(graph, text) ? `There is another task called ${text}.` : null;
}

/** How the server says that any kind of integration will do. */
const ANY_PROVIDER = "*";

function Integration({ task, type }: { task: Task; type: TaskType }) {
  const { graph, onChange } = useBoard();
  const kind = type.provider === ANY_PROVIDER ? "" : ` with ${type.provider ?? ""}`;
  return (
    <TextField
      label={type.needs_integration === true ? "Integration" : "Integration (optional)"}
      description={`The name of an integration${kind}: the credentials that it uses.`}
      value={task.integration ?? ""}
      onChange={(text) =>
        onChange(changeTask(graph, task.id, { integration: text === "" ? undefined : text }, "integration"))
      }
    />
  );
}

/** The inputs: first those that matter, the others when they are asked for. */
function Inputs({ task, type, types, faults }: TaskPanelProps & { type: TaskType }) {
  const { graph, onChange } = useBoard();
  const sources = sourcesFor(graph, types, task.id);
  const drawn = (field: Field) => (
    <InputField
      key={field.name}
      task={task}
      type={type}
      field={field}
      sources={sources}
      faults={faults.ofInput(task.id, field.name)}
      onChange={(value) => onChange(changeInput(graph, task.id, field.name, value))}
    />
  );
  const fields = fieldsOf(type);
  // Which those are is settled when the task is opened: no field goes elsewhere while it is filled in.
  const [first] = useState(() => new Set(firstOf(task, fields).map(({ name }) => name)));
  const others = fields.filter(({ name }) => !first.has(name));
  return (
    <>
      {fields.filter(({ name }) => first.has(name)).map(drawn)}
      {others.length > 0 && (
        <Disclosed title={`More inputs (${others.length})`}>
          <div className="stack more-inputs">{others.map(drawn)}</div>
        </Disclosed>
      )}
    </>
  );
}

const FEW = 4;

function firstOf(task: Task, fields: readonly Field[]): readonly Field[] {
  if (fields.length <= FEW) return fields;
  return fields.filter(({ name, isRequired }) => isRequired || task.inputs[name] !== undefined);
}

// ── Links ─────────────────────────────────────────────────────────────────────────────────────────────

function Links({ task }: { task: Task }) {
  const { graph, onChange, onConnect } = useBoard();
  const into = graph.links.filter(({ to }) => to === task.id);
  const from = graph.links.filter((link) => link.from === task.id);
  const others = graph.tasks.filter(({ id }) => whyNoLink(graph, task.id, id) === null);
  return (
    <>
      {into.length > 0 && (
        <ul className="links" aria-label="Runs after">
          {into.map((link) => (
            <LinkItem key={keyOf(link)} link={link} other={link.from} word="Runs after" />
          ))}
        </ul>
      )}
      {into.length > 1 && (
        <Choice
          label="It begins"
          options={[
            { key: "all", label: "after all of them" },
            { key: "any", label: "after the first of them" },
          ]}
          value={task.join ?? "all"}
          onChange={(key) => onChange(changeTask(graph, task.id, { join: key === "all" ? undefined : key }, "join"))}
        />
      )}
      {from.length > 0 && (
        <ul className="links" aria-label="Leads to">
          {from.map((link) => (
            <LinkItem key={keyOf(link)} link={link} other={link.to} word="Leads to" />
          ))}
        </ul>
      )}
      {others.length > 0 && (
        <Picker
          label="Connect to"
          placeholder="Connect to…"
          bare
          options={others.map(({ id }) => ({ key: id, label: id }))}
          value={null}
          onChange={(to) => onConnect(task.id, to)}
        />
      )}
    </>
  );
}

function LinkItem({ link, other, word }: { link: Link; other: string; word: string }) {
  const { graph, types, onChange, onSelect } = useBoard();
  const { from, to } = link;
  const now = conditionOf(link);
  const options = conditionsFor(types.get(taskIn(graph, from)?.type ?? ""), now);
  return (
    <li>
      <span className="hint">{word}</span>
      <Button small tone="quiet" onPress={() => onSelect(other)}>
        {other}
      </Button>
      <Picker
        label={`Condition of the link from ${from} to ${to}`}
        bare
        options={options.map((key) => ({
          key,
          label: conditionWord(key),
          description: conditionSays(key, from),
        }))}
        value={now}
        onChange={(key) => onChange(setCondition(graph, from, to, key))}
      />
      <Button
        small
        tone="quiet"
        aria-label={`Delete the link from ${from} to ${to}`}
        onPress={() => onChange(removeLink(graph, from, to))}
      >
        <X size={14} aria-hidden />
      </Button>
    </li>
  );
}
