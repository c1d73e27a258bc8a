/**
 * The tree of a run's steps, with state and time, and what the selected one did.
 *
 * Laws:
 * - Only the rows that can be seen are in the page, however many steps there are.
 * - One row takes the focus; arrow keys move it, open and close, as in any tree. Enter and Space select.
 */

import { useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronDown, ChevronRight } from "lucide-react";
import type { RunView } from "@interlock/client";
import { Empty } from "../ui/notice.tsx";
import { State } from "../ui/status.tsx";
import { Time, Took } from "../ui/time.tsx";
import { kindOf, moved, rowsOf, type Row } from "./rows.ts";
import { StepDetail } from "./step-detail.tsx";

const ROW = 34;

/** The tree, and beside it the selected step. */
export function StepsTree({ view }: { view: RunView }) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [selected, setSelected] = useState<string | null>(null);
  const rows = useMemo(() => rowsOf(view.steps, closed), [view.steps, closed]);
  const step = selected === null ? undefined : view.steps.get(selected);
  const toggle = (key: string) => {
    const next = new Set(closed);
    if (!next.delete(key)) next.add(key);
    setClosed(next);
  };
  if (rows.length === 0) return <Empty title="No step has begun yet">Steps appear here as soon as they begin.</Empty>;
  return (
    <div className={step ? "split" : ""}>
      <Grid rows={rows} selected={selected} onSelect={setSelected} onToggle={toggle} />
      {step && <StepDetail step={step} onClose={() => setSelected(null)} />}
    </div>
  );
}

interface GridProps {
  rows: readonly Row[];
  selected: string | null;
  onSelect: (key: string) => void;
  onToggle: (key: string) => void;
}

function Grid({ rows, selected, onSelect, onToggle }: GridProps) {
  const box = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(0);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const focus = (at: number) => {
    setFocused(at);
    virtual.scrollToIndex(at);
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-at="${at}"]`)?.focus());
  };
  const select = (at: number) => {
    setFocused(at);
    const row = rows[at];
    if (row) onSelect(row.step.key);
  };
  const onKeyDown = (event: KeyboardEvent, at: number) => {
    const row = rows[at];
    if (row && (event.key === "Enter" || event.key === " ")) onSelect(row.step.key);
    const move = moved(rows, at, event.key);
    if (move === null && event.key !== " ") return;
    event.preventDefault();
    if (move && "to" in move) focus(move.to);
    else if (move) onToggle(move.toggle);
  };
  return (
    <div className="rows" ref={box} role="treegrid" aria-label="Steps" aria-rowcount={rows.length}>
      <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="presentation">
        {virtual.getVirtualItems().map(({ index, start }) => {
          const row = rows[index];
          return (
            row && (
              <TreeRow
                key={row.step.key}
                row={row}
                at={index}
                top={start}
                isSelected={row.step.key === selected}
                hasFocus={index === Math.min(focused, rows.length - 1)}
                onSelect={() => select(index)}
                onToggle={() => onToggle(row.step.key)}
                onKeyDown={(event) => onKeyDown(event, index)}
              />
            )
          );
        })}
      </div>
    </div>
  );
}

interface TreeRowProps {
  row: Row;
  at: number;
  top: number;
  isSelected: boolean;
  hasFocus: boolean;
  onSelect: () => void;
  onToggle: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
}

function TreeRow({ row, at, top, isSelected, hasFocus, onSelect, onToggle, onKeyDown }: TreeRowProps) {
  const { step, level, place, siblings, isOpen } = row;
  const Chevron = isOpen ? ChevronDown : ChevronRight;
  const toggle = (event: MouseEvent) => {
    event.stopPropagation();
    onToggle();
  };
  return (
    <div
      className={isSelected ? "row selected" : "row"}
      role="row"
      data-at={at}
      tabIndex={hasFocus ? 0 : -1}
      aria-level={level}
      aria-posinset={place}
      aria-setsize={siblings}
      aria-rowindex={at + 1}
      aria-selected={isSelected}
      {...(isOpen === undefined ? {} : { "aria-expanded": isOpen })}
      style={{ transform: `translateY(${top}px)`, height: ROW }}
      onClick={onSelect}
      onKeyDown={onKeyDown}
    >
      <span role="gridcell" className="row-name" style={{ paddingInlineStart: (level - 1) * 18 }}>
        {isOpen === undefined ? <span className="chevron-space" /> : <Chevron size={16} aria-hidden onClick={toggle} />}
        <span className="name">{step.name}</span>
        <span className="hint">{kindOf(step)}</span>
      </span>
      <span role="gridcell" className="row-state">
        <State state={step.state} />
      </span>
      <span role="gridcell" className="row-time">
        {step.startedAt !== null && <Time at={step.startedAt} />}
      </span>
      <span role="gridcell" className="row-took">
        {step.state !== "paused" && <Took from={step.startedAt} to={step.endedAt} ms={step.durationMs} />}
      </span>
    </div>
  );
}
