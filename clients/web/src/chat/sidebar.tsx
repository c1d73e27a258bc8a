/**
 * The conversations, from the server: beside the one that is shown, or in a dialog where there is no room for both.
 *
 * Laws:
 * - A conversation is a session of runs; the same ones are there in every tab and on every device.
 */

import { useState } from "react";
import { History, Plus } from "lucide-react";
import { Link } from "wouter";
import { useInterlock, useRuns } from "@interlock/client/react";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { count, lineOf } from "../ui/format.ts";
import { Notice, Skeleton } from "../ui/notice.tsx";
import { statusWord } from "../ui/status.tsx";
import { Ago } from "../ui/time.tsx";
import { sessionsOf, type Session } from "./conversations.ts";

/** The server lists so many runs; older conversations are found among the runs. */
const RUNS = 200;

/** The address of a conversation. */
export function addressOf(sessionId: string): string {
  return `/chat/${encodeURIComponent(sessionId)}`;
}

interface SidebarProps {
  current: string | null;
  onNew: () => void;
}

/** The conversations, beside the one that is shown. */
export function Sidebar(props: SidebarProps) {
  return (
    <nav className="conversations" aria-label="Conversations">
      <Conversations {...props} />
    </nav>
  );
}

/** The same behind a button. */
export function SidebarButton({ current, onNew }: SidebarProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <span className="only-narrow">
        <Button small onPress={() => setOpen(true)}>
          <History size={14} aria-hidden /> Conversations
        </Button>
      </span>
      <Dialog title="Conversations" isOpen={isOpen} onClose={() => setOpen(false)}>
        <div onClick={() => setOpen(false)} role="presentation">
          <Conversations
            current={current}
            onNew={() => {
              setOpen(false);
              onNew();
            }}
          />
        </div>
      </Dialog>
    </>
  );
}

function Conversations({ current, onNew }: SidebarProps) {
  const { userId } = useInterlock().connection;
  const { runs, phase, error, more } = useRuns({}, { limit: RUNS });
  const sessions = sessionsOf(runs, userId);
  return (
    <>
      <Button small onPress={onNew}>
        <Plus size={14} aria-hidden /> New conversation
      </Button>
      {error && <Notice tone="fault">The conversations can’t be listed: {error.message}</Notice>}
      {phase === "loading" && runs.length === 0 && !error && <Skeleton label="Loading the conversations" />}
      <ul aria-label="Conversations">
        {sessions.map((session) => (
          <Line key={session.sessionId} session={session} isCurrent={session.sessionId === current} />
        ))}
      </ul>
      {more && (
        <p className="hint">
          Older ones are among the <Link href="/runs">runs</Link>.
        </p>
      )}
    </>
  );
}

function Line({ session, isCurrent }: { session: Session; isCurrent: boolean }) {
  const { nameOf } = useWorkflows();
  const { runs, waiting, changedAt, sessionId } = session;
  const names = [...new Set(runs.map((run) => nameOf(run.workflow_id)))];
  const asks = runs.flatMap((run) => run.pending).at(-1);
  const last = runs.at(-1);
  const about = asks ? lineOf(asks.subject ?? asks.confirmation_message ?? asks.step_name, 60) : "";
  return (
    <li>
      <Link
        href={addressOf(sessionId)}
        className={isCurrent ? "conversation current" : "conversation"}
        {...(isCurrent ? { "aria-current": "true" as const } : {})}
      >
        <span className="conversation-name">{names.join(", ")}</span>
        {waiting > 0 && (
          <span className="badge ask">
            {count(waiting)}
            <span className="unseen"> waiting</span>
          </span>
        )}
        <span className="hint conversation-about">
          {about || (last && statusWord(last.status))} · <Ago at={changedAt} />
        </span>
      </Link>
    </li>
  );
}
