/**
 * The log of a run, with indexes.
 *
 * Laws:
 * - Only the rows that can be seen are in the page, however many events there are.
 * - Whoever is at the end stays there while events come; whoever reads further up isn't moved.
 */

import { useEffect, useRef, useState } from "react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { isKnown, type EventLog, type RunMessage, type RunView } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Checkbox, TextField } from "../ui/fields.tsx";
import { Folded } from "../ui/folded.tsx";
import { count, counted } from "../ui/format.ts";
import { Empty } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { wordsOf } from "./event-words.ts";
import { Matches, stepOf } from "./matches.ts";

const ROW = 30;

/** The events, with a field to find some. */
export function EventsTable({ view }: { view: RunView }) {
  const [text, setText] = useState("");
  const [follows, setFollows] = useState(false);
  const [matches] = useState(() => new Matches());
  const { log } = view;
  const found = matches.of(log, text);
  if (log.length === 0)
    return <Empty title="No event yet">Each event of the run is listed here, with its index.</Empty>;
  return (
    <div className="stack">
      <div className="bar centred">
        <TextField
          label="Find events"
          bare
          placeholder="Find by event or step"
          type="search"
          value={text}
          onChange={setText}
        />
        <Checkbox isSelected={follows} onChange={setFollows}>
          Follow the end
        </Checkbox>
        <span className="hint" role="status">
          {text.trim() === ""
            ? counted(found.length, "event")
            : `${count(found.length)} of ${counted(log.length, "event")}`}
          {log.start > 0 && `; ${count(log.start)} earlier ones aren’t kept in this page`}
        </span>
      </div>
      <Rows log={log} found={found} follows={follows} onFollow={setFollows} />
    </div>
  );
}

interface RowsProps {
  log: EventLog;
  found: ReturnType<Matches["of"]>;
  follows: boolean;
  onFollow: (follows: boolean) => void;
}

function Rows({ log, found, follows, onFollow }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const virtual = useVirtualizer({
    count: found.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    getItemKey: (row) => found.at(row),
    overscan: 12,
  });
  useEffect(() => {
    if (follows && found.length > 0) virtual.scrollToIndex(found.length - 1, { align: "end" });
  }, [follows, found.length, virtual]);
  const toggle = (place: number) => {
    const next = new Set(open);
    if (!next.delete(place)) next.add(place);
    setOpen(next);
    onFollow(false);
  };
  return (
    <div
      className="rows events"
      ref={box}
      role="table"
      aria-label="Events"
      aria-rowcount={found.length}
      tabIndex={0}
      onWheel={(event) => event.deltaY < 0 && onFollow(false)}
    >
      <div style={{ height: virtual.getTotalSize(), position: "relative" }} role="rowgroup">
        {virtual.getVirtualItems().map(({ index, start, key }) => {
          const message = log.at(found.at(index));
          return (
            message && (
              <EventRow
                key={key}
                message={message}
                row={index}
                top={start}
                measure={virtual.measureElement}
                isOpen={open.has(found.at(index))}
                onToggle={() => toggle(found.at(index))}
              />
            )
          );
        })}
      </div>
    </div>
  );
}

interface EventRowProps {
  message: RunMessage;
  row: number;
  top: number;
  measure: (element: HTMLElement | null) => void;
  isOpen: boolean;
  onToggle: () => void;
}

function EventRow({ message, row, top, measure, isOpen, onToggle }: EventRowProps) {
  const index = "event_index" in message ? message.event_index : undefined;
  const at = "created_at" in message && typeof message.created_at === "number" ? message.created_at : null;
  const isStrange = !isKnown(message) && message.event !== "gap";
  return (
    <div
      className="event"
      role="row"
      aria-rowindex={row + 1}
      data-index={row}
      ref={measure}
      style={{ transform: `translateY(${top}px)` }}
    >
      <div className="event-line" role="presentation">
        <span role="cell" className="number">
          {index ?? "–"}
        </span>
        <span role="cell" className="row-time">
          {at !== null && <Time at={at} />}
        </span>
        <span role="cell" className="event-name">
          <Button tone="quiet" small aria-expanded={isOpen} onPress={onToggle}>
            {message.event}
          </Button>
          {isStrange && <span className="badge calm">unknown</span>}
        </span>
        <span role="cell" className="name">
          {stepOf(message)}
        </span>
        <span role="cell" className="event-words">
          {wordsOf(message)}
        </span>
      </div>
      {isOpen && (
        <div role="cell" className="event-whole">
          <Folded text={JSON.stringify(message, null, 2)} what="event" code />
        </div>
      )}
    </div>
  );
}
