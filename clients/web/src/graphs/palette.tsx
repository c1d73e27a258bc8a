/** The types of tasks that there are: dragged onto the canvas, or pressed to be added where there is room. */

import { useState, type DragEvent, type KeyboardEvent } from "react";
import type { TaskType } from "@interlock/client";
import { TextField } from "../ui/fields.tsx";
import { DRAGGED } from "./dragged.ts";
import { categoryWord, TypeIcon } from "./looks.tsx";

interface PaletteProps {
  types: readonly TaskType[];
  onAdd: (type: string) => void;
}

/** The list. */
export function Palette({ types, onAdd }: PaletteProps) {
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const found = types.filter(({ name, title, description }) =>
    [name, title, description].some((each) => each.toLowerCase().includes(wanted)),
  );
  const categories = [...new Set(found.map(({ category }) => category))];
  return (
    <section className="palette" aria-label="Types of tasks">
      <TextField label="Find a type" bare type="search" placeholder="Find a task" value={text} onChange={setText} />
      {found.length === 0 && <p className="hint">No type is called that.</p>}
      <div className="palette-lists">
        {categories.map((category) => (
          <div key={category}>
            <h3>{categoryWord(category)}</h3>
            <ul aria-label={categoryWord(category)}>
              {found
                .filter((type) => type.category === category)
                .map((type) => (
                  <Item key={type.name} type={type} onAdd={onAdd} />
                ))}
            </ul>
          </div>
        ))}
      </div>
    </section>
  );
}

function Item({ type, onAdd }: { type: TaskType; onAdd: PaletteProps["onAdd"] }) {
  const { name, title, description } = type;
  const onDragStart = (event: DragEvent) => {
    event.dataTransfer.setData(DRAGGED, name);
    event.dataTransfer.effectAllowed = "copy";
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onAdd(name);
  };
  return (
    <li>
      {/* Not a button of its own kind: some browsers don't let these be dragged. */}
      <div
        role="button"
        tabIndex={0}
        className="palette-item"
        draggable
        title={description}
        aria-label={`Add ${title}`}
        aria-description={description}
        onDragStart={onDragStart}
        onKeyDown={onKeyDown}
        onClick={() => onAdd(name)}
      >
        <TypeIcon type={type} size={16} />
        <span>{title}</span>
      </div>
    </li>
  );
}
