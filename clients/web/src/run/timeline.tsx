/**
 * What happened in an instance, the oldest first: from state to state, what was asked and answered, what changed in the
 * data, what was logged, what failed.
 */

import { useState, type ReactNode } from "react";
import { AlertTriangle, ArrowRight, Circle, Cog, Flag, Hand, type LucideIcon } from "lucide-react";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { HistoryEvent, HistoryEventType, JsonValue, RunView } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { Picker } from "../ui/fields.tsx";
import { Folded } from "../ui/folded.tsx";
import { counted, durationOf, lineOf, textOfValue } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";
import { changesOf, historyTone, historyWords, threadWord, type DataChange } from "./history-words.ts";
import { useHistory, type HistoryWanted } from "./use-history.ts";

const TYPES: readonly (readonly [HistoryEventType, string])[] = [
  ["transition", "Transitions"],
  ["halt", "Questions"],
  ["signal", "Signals"],
  ["step", "Logic"],
  ["error", "Errors"],
  ["lifecycle", "Begin and end"],
];
const ALL: readonly HistoryEventType[] = [];
const EVERY = " every";

/** The timeline, with what is to be seen of it. */
export function Timeline({ view }: { view: RunView }) {
  const [types, setTypes] = useState(ALL);
  const [thread, setThread] = useState<string | null>(null);
  const wanted = { types, thread };
  return (
    <div className="stack">
      <div className="bar">
        <ToggleButtonGroup
          className="toggles"
          aria-label="Kinds of entries"
          selectionMode="multiple"
          selectedKeys={new Set(types)}
          onSelectionChange={(keys) => setTypes(TYPES.map(([type]) => type).filter((type) => keys.has(type)))}
        >
          {TYPES.map(([type, label]) => (
            <ToggleButton key={type} id={type} className="toggle">
              {label}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
        <Threads view={view} thread={thread} onSelect={setThread} />
      </div>
      <Entries key={JSON.stringify(wanted)} view={view} wanted={wanted} />
    </div>
  );
}

interface ThreadsProps {
  view: RunView;
  thread: string | null;
  onSelect: (thread: string | null) => void;
}

function Threads({ view, thread, onSelect }: ThreadsProps) {
  const names = [...new Set([...view.steps].map(({ path }) => String(path[1] ?? "")))].filter((each) =>
    each.startsWith("thread_"),
  );
  if (names.length < 2) return null;
  return (
    <Picker
      label="Thread"
      options={[{ key: EVERY, label: "All threads" }, ...names.map((key) => ({ key, label: threadWord(key) }))]}
      value={thread ?? EVERY}
      onChange={(key) => onSelect(key === EVERY ? null : key)}
    />
  );
}

function Entries({ view, wanted }: { view: RunView; wanted: HistoryWanted }) {
  const [stable] = useState(wanted);
  const { entries, isLoading, hasMore, hasGap, error, more, again } = useHistory(view.runId, stable, view.lastIndex);
  if (isLoading) return <Skeleton label="Loading the timeline" lines={6} />;
  return (
    <>
      {error && (
        <Notice tone="fault" again={again}>
          The timeline can’t be loaded: {error.message}
        </Notice>
      )}
      {hasGap && <Notice>The server no longer has what happened before this.</Notice>}
      {entries.length === 0 && !error && (
        <Empty title="Nothing of that kind yet">Entries appear here as they happen.</Empty>
      )}
      <ol className="timeline" aria-label="Timeline">
        {entries.map((entry) => (
          <Entry key={entry.id} entry={entry} />
        ))}
      </ol>
      <div className="actions">
        <span className="hint" role="status">
          {counted(entries.length, "entry", "entries")}
          {hasMore && ", and there are more"}
        </span>
        {hasMore && (
          <Button small onPress={more}>
            Show more
          </Button>
        )}
      </div>
    </>
  );
}

const ICONS: Readonly<Record<string, LucideIcon>> = {
  transition: ArrowRight,
  halt: Hand,
  step: Cog,
  error: AlertTriangle,
  lifecycle: Flag,
};

function Entry({ entry }: { entry: HistoryEvent }) {
  const Icon = ICONS[entry.type] ?? Circle;
  const changes = changesOf(entry);
  const { duration_ms: took, thread } = entry;
  const isOther = thread !== undefined && thread !== "thread_main" && entry.subtype !== "thread_started";
  return (
    <li className={`entry ${historyTone(entry)}`}>
      <span className="entry-icon" aria-hidden>
        <Icon size={14} />
      </span>
      <div className="entry-body">
        <p className="entry-line">
          <span className="entry-words">{historyWords(entry)}</span>
          {isOther && <span className="badge calm">{threadWord(thread)}</span>}
          {typeof took === "number" && <span className="hint">{durationOf(took)}</span>}
          <span className="entry-time">
            {entry.timestamp !== undefined && <Time at={Date.parse(entry.timestamp)} />}
          </span>
        </p>
        <Said entry={entry} />
        {changes.length > 0 && <Changes changes={changes} />}
      </div>
    </li>
  );
}

/** What else an entry says: its message, its logs, what was answered. */
function Said({ entry }: { entry: HistoryEvent }) {
  const { code, message, reason, logs, input_received: input } = entry;
  return (
    <>
      {typeof message === "string" && (
        <p className="fault">
          {typeof code === "string" && entry.type === "error" && <code>{code}</code>} {message}
        </p>
      )}
      {typeof reason === "string" && reason !== "" && <p className="hint">“{reason}”</p>}
      {input !== undefined && <Value name="Answer" value={input} />}
      {Array.isArray(logs) && logs.length > 0 && (
        <Disclosed title={counted(logs.length, "line of logs", "lines of logs")}>
          <Folded text={logs.map(textOfValue).join("\n")} code what="logs" />
        </Disclosed>
      )}
    </>
  );
}

function Value({ name, value }: { name: string; value: JsonValue }) {
  return (
    <p className="entry-value">
      <span className="hint">{name}</span> <code>{lineOf(value, 400)}</code>
    </p>
  );
}

const SIGNS = { added: ["+", "added"], updated: ["~", "changed"], removed: ["−", "removed"] } as const;

function Changes({ changes }: { changes: readonly DataChange[] }) {
  return (
    <ul className="data-changes" aria-label="Changes of the data">
      {changes.map((change) => {
        const [sign, word] = SIGNS[change.kind];
        return (
          <li key={change.key} className={change.kind}>
            <span aria-hidden>{sign}</span>
            <span className="unseen">{word}</span> <code className="data-key">{change.key}</code> {valuesOf(change)}
          </li>
        );
      })}
    </ul>
  );
}

function valuesOf({ kind, before, after }: DataChange): ReactNode {
  if (kind === "removed") return before === undefined ? null : <code>{lineOf(before, 160)}</code>;
  if (kind === "added") return <code>{lineOf(after, 240)}</code>;
  return (
    <>
      <code className="data-before">{lineOf(before, 120)}</code> <span aria-hidden>→</span>
      <span className="unseen"> to </span> <code>{lineOf(after, 120)}</code>
    </>
  );
}
