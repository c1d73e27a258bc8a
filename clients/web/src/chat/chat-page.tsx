/** The chat: the runs of this conversation, and what the next message says. */

import { useEffect, useRef, useState } from "react";
import { Plus } from "lucide-react";
import { useLocation, useParams } from "wouter";
import { useInterlock, useRuns } from "@interlock/client/react";
import { partOf } from "../run/paths.ts";
import { FROM_CHAT, useOutbox } from "../session/outbox.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { useTitle } from "../ui/title.ts";
import { together } from "./conversations.ts";
import { Samples } from "./samples.tsx";
import { Composer, writeAgain, type ComposerProps } from "./composer.tsx";
import { Outgoing, type Returned } from "./outgoing.tsx";
import { RunInChat } from "./run-in-chat.tsx";
import { InSight } from "./in-sight.tsx";
import { addressOf, Sidebar, SidebarButton } from "./sidebar.tsx";
import { begin, open, openSession, spoke, useConversation } from "./store.ts";
import { useStayAtEnd } from "./stay-at-end.ts";

/** How many runs of a conversation are shown at first, and how many more at a time. */
const RUNS = 20;

/** No run is in it. */
const NO_SESSION = "-";

/** `#/`, `#/chat/<session>` for a conversation, and `#/chat/<workflow>/<run>` for the one with that run. */
export function ChatPage() {
  useTitle("Chat");
  const address = useAddressed();
  const { refused, sessionId } = useConversation();
  const { client } = useInterlock();
  const { nameOf } = useWorkflows();
  const scroller = useRef<HTMLDivElement>(null);
  const stay = useStayAtEnd(scroller);
  const [returns, setReturns] = useState(0);
  const onReturn = (returned: Returned) => {
    writeAgain(returned);
    setReturns(returns + 1);
  };
  const start: ComposerProps["start"] = (workflowId, message, keep) => {
    stay();
    const session = sessionId === null ? {} : { sessionId };
    return client.start(workflowId, { message, note: FROM_CHAT, keep, ...session });
  };
  const { runs, more, isLoading } = useRunsOf(sessionId);
  const isEmpty = useOutbox().length === 0 && refused.length === 0 && runs.length === 0 && !isLoading;
  return (
    <div className="chat-frame">
      <Sidebar current={sessionId} onNew={address.beginAnew} />
      <div className="chat">
        <header className="page-head">
          <h1>Chat</h1>
          <SidebarButton current={sessionId} onNew={address.beginAnew} />
          {runs.length > 0 && (
            <Button small onPress={address.beginAnew}>
              <Plus size={14} aria-hidden /> New conversation
            </Button>
          )}
        </header>
        <div className="chat-scroll" ref={scroller} tabIndex={0} role="region" aria-label="Conversation">
          {isEmpty && (
            <Samples
              start={async (workflowId, message) => {
                const run = await start(workflowId, message, true);
                spoke({ runId: run.runId, workflowId }, run.view.sessionId);
              }}
            />
          )}
          {more && (
            <Button tone="quiet" small onPress={more}>
              Show earlier runs
            </Button>
          )}
          {runs.map((run) => (
            <RunInChat key={run.runId} {...run} workflowName={nameOf(run.workflowId)} />
          ))}
          <Outgoing onReturn={onReturn} />
        </div>
        <InSight box={scroller} />
        <Composer returns={returns} start={start} />
      </div>
    </div>
  );
}

/** Which conversation the address names; one that has begun gets an address, so that Back comes to it. */
function useAddressed() {
  const params = useParams<{ workflowId?: string; runId?: string; sessionId?: string }>();
  const { workflowId, runId, sessionId } = params;
  const { runs, sessionId: shown } = useConversation();
  const [location, navigate] = useLocation();
  const hasBegun = runs.length > 0;
  useEffect(() => {
    if (workflowId !== undefined && runId !== undefined) open({ workflowId: partOf(workflowId), runId: partOf(runId) });
    else if (sessionId !== undefined) openSession(partOf(sessionId));
  }, [workflowId, runId, sessionId]);
  useEffect(() => {
    if (location === "/" && hasBegun && shown !== null) navigate(addressOf(shown), { replace: true });
  }, [location, hasBegun, shown, navigate]);
  // An address that names a run would bring it back with the next reload.
  const beginAnew = () => {
    begin();
    navigate("/");
  };
  return { beginAnew };
}

/** The runs of a conversation: what the server has of its session, and what was started here. */
function useRunsOf(sessionId: string | null) {
  const { runs } = useConversation();
  const [limit, setLimit] = useState(RUNS);
  const listed = useRuns({ session_id: sessionId ?? NO_SESSION }, { limit });
  const known = together(listed.runs, runs);
  const more = listed.more ? () => setLimit(limit + RUNS) : null;
  return { runs: known, more, isLoading: listed.phase === "loading" && sessionId !== null && runs.length > 0 };
}
