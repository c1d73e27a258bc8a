/** The sessions that a graph had: the newest first, each to be seen on the canvas. */

import { useState } from "react";
import { History } from "lucide-react";
import type { GraphSession } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Ago } from "../ui/time.tsx";
import { useAnswer } from "../ui/use-answer.ts";

interface SessionsProps {
  name: string;
  onOpen: (sessionId: string) => void;
}

/** The button, and the list that it opens. */
export function SessionsButton({ name, onOpen }: SessionsProps) {
  const [isOpen, setOpen] = useState(false);
  const open = (id: string) => {
    setOpen(false);
    onOpen(id);
  };
  return (
    <>
      <Button small tone="quiet" onPress={() => setOpen(true)}>
        <History size={14} aria-hidden /> Sessions
      </Button>
      <Dialog title={`Sessions of ${name}`} isOpen={isOpen} onClose={() => setOpen(false)}>
        <List name={name} onOpen={open} />
      </Dialog>
    </>
  );
}

const TONES: Readonly<Record<GraphSession["status"], string>> = {
  running: "busy",
  waiting: "ask",
  completed: "good",
  failed: "bad",
  cancelled: "calm",
};

function List({ name, onOpen }: SessionsProps) {
  const { client } = useInterlock();
  const { data, error, again } = useAnswer(`sessions of ${name}`, () => client.graphs.sessions(name));
  if (error && data === null) {
    return (
      <Notice tone="fault" again={again}>
        {error.message}
      </Notice>
    );
  }
  if (data === null) return <Skeleton label="Loading the sessions" />;
  if (data.length === 0) return <Empty title="No sessions yet">Try the graph, or call its endpoint.</Empty>;
  return (
    <ul className="session-list" aria-label="Sessions">
      {data.map(({ session_id: id, status, created_at: at }) => (
        <li key={id}>
          <Button tone="quiet" small onPress={() => onOpen(id)}>
            <code>{id}</code>
          </Button>
          <span className={`badge ${TONES[status]}`}>{status}</span>
          <span className="hint">
            <Ago at={Date.parse(at)} />
          </span>
        </li>
      ))}
    </ul>
  );
}
