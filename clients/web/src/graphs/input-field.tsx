/**
 * One input of a task: a value, a blank, or a mapping from what ran before.
 *
 * Laws:
 * - What was a value is a value again when one comes back to it: changing the way throws nothing away at once.
 */

import { useRef, useState } from "react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { JsonValue, TaskType } from "@interlock/client";
import { ValueForm } from "../forms/lazy.tsx";
import { Picker, TextField } from "../ui/fields.tsx";
import { blankOf, ownBlank, schemaWith, titleOf, wayOf, type Field, type Source, type Way } from "./inputs.ts";
import type { Task } from "./model.ts";

const WAYS: readonly [Way["way"], string][] = [
  ["value", "Value"],
  ["blank", "Blank"],
  ["mapping", "Mapping"],
];

interface InputFieldProps {
  task: Task;
  type: TaskType;
  field: Field;
  sources: readonly Source[];
  faults: readonly string[];
  /** Undefined leaves it blank. */
  onChange: (value: JsonValue | undefined) => void;
}

/** The field. */
export function InputField(props: InputFieldProps) {
  const { task, field, faults, onChange } = props;
  const given = wayOf(task, field);
  const isLeftOut = task.inputs[field.name] === undefined;
  // Where nothing is written yet, the page alone knows in which way it is going to be.
  const [chosen, setChosen] = useState<Way["way"] | null>(isLeftOut && !field.isRequired ? "value" : null);
  const way = isLeftOut && chosen !== null && !field.isFixed ? chosen : given.way;
  const before = useRef(new Map<Way["way"], JsonValue>());
  const choose = (next: Way["way"]) => {
    const now = task.inputs[field.name];
    if (now !== undefined) before.current.set(way, now);
    setChosen(next);
    onChange(next === "blank" ? (before.current.get(next) ?? { blank: true }) : before.current.get(next));
  };
  const title = titleOf(field);
  return (
    <div className={`input-field ${way}`} role="group" aria-label={title}>
      {!field.isFixed && <Ways title={title} way={way} onChoose={choose} />}
      {way === "value" && <Value {...props} />}
      {way === "blank" && <Blank {...props} title={title} />}
      {way === "mapping" && <Mapping {...props} title={title} />}
      {faults.map((fault) => (
        <p key={fault} className="fault" role="alert">
          {fault}
        </p>
      ))}
    </div>
  );
}

function Ways({ title, way, onChoose }: { title: string; way: Way["way"]; onChoose: (way: Way["way"]) => void }) {
  return (
    <ToggleButtonGroup
      className="ways"
      aria-label={`How ${title} is given`}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[way]}
      onSelectionChange={(keys) => onChoose([...keys][0] as Way["way"])}
    >
      {WAYS.map(([key, word]) => (
        <ToggleButton key={key} id={key} className="way-button">
          {word}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}

function Value({ task, type, field, onChange }: InputFieldProps) {
  const { name } = field;
  const value = task.inputs[name];
  const values = value === undefined ? {} : { [name]: value };
  return <ValueForm schema={schemaWith(field, type)} values={values} onChange={(filled) => onChange(filled[name])} />;
}

function Blank({ task, field, title, onChange }: InputFieldProps & { title: string }) {
  const given = wayOf(task, field);
  const own = ownBlank(task, field.name);
  const name = given.way === "blank" && given.name !== own ? given.name : "";
  return (
    <TextField
      label={title}
      placeholder={own}
      description={`Whoever runs the graph gives it, as ${name === "" ? own : name}.`}
      code
      value={name}
      onChange={(next) => onChange(blankOf(task, field.name, next.trim()))}
    />
  );
}

function Mapping({ task, field, title, sources, onChange }: InputFieldProps & { title: string }) {
  const given = wayOf(task, field);
  const text = given.way === "mapping" ? given.text : "";
  const fromTasks = sources.some((each) => each.text.startsWith("${tasks."));
  return (
    <>
      <TextField
        label={title}
        placeholder="${tasks.…}"
        description={fromTasks ? undefined : `Nothing surely runs before ${task.id}: connect a task to it first.`}
        code
        value={text}
        onChange={(next) => onChange(next === "" ? undefined : next)}
      />
      <Picker
        label={`Insert into ${title}`}
        bare
        placeholder="Insert what ran before…"
        options={sources.map((each) => ({ key: each.text, label: each.label, description: each.says }))}
        value={null}
        onChange={(source) => onChange(text + source)}
      />
    </>
  );
}
