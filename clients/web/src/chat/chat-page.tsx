/** The chat: the runs of this conversation, and what the next message says. */

import { useEffect, useRef, useState } from "react";
import { Plus } from "lucide-react";
import { useLocation, useParams } from "wouter";
import { useInterlock } from "@interlock/client/react";
import { partOf } from "../run/paths.ts";
import { FROM_CHAT, useOutbox } from "../session/outbox.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/notice.tsx";
import { useTitle } from "../ui/title.ts";
import { Composer, writeAgain } from "./composer.tsx";
import { Outgoing, type Returned } from "./outgoing.tsx";
import { RunInChat } from "./run-in-chat.tsx";
import { begin, open, useConversation } from "./store.ts";
import { useStayAtEnd } from "./stay-at-end.ts";

/** `#/`, and `#/chat/<workflow>/<run>` for a conversation about that run. */
export function ChatPage() {
  const { workflowId, runId } = useParams<{ workflowId?: string; runId?: string }>();
  useEffect(() => {
    if (workflowId !== undefined && runId !== undefined) open({ workflowId: partOf(workflowId), runId: partOf(runId) });
  }, [workflowId, runId]);
  useTitle("Chat");
  const { runs, refused, sessionId } = useConversation();
  const { client } = useInterlock();
  const [, navigate] = useLocation();
  // An address that names a run would bring it back with the next reload.
  const beginAnew = () => {
    begin();
    navigate("/");
  };
  const { nameOf } = useWorkflows();
  const scroller = useRef<HTMLDivElement>(null);
  const stay = useStayAtEnd(scroller);
  const [returns, setReturns] = useState(0);
  const onReturn = (returned: Returned) => {
    writeAgain(returned);
    setReturns(returns + 1);
  };
  const isEmpty = useOutbox().length === 0 && refused.length === 0 && runs.length === 0;
  return (
    <div className="chat">
      <header className="page-head">
        <h1>Chat</h1>
        {runs.length > 0 && (
          <Button small onPress={beginAnew}>
            <Plus size={14} aria-hidden /> New conversation
          </Button>
        )}
      </header>
      <div className="chat-scroll" ref={scroller} tabIndex={0} role="region" aria-label="Conversation">
        {isEmpty && (
          <Empty title="Start a run">
            Pick a workflow below, and write what it is to begin with. What it does is shown here, and when it waits for
            you, you decide here.
          </Empty>
        )}
        {runs.map((run) => (
          <RunInChat key={run.runId} {...run} workflowName={nameOf(run.workflowId)} />
        ))}
        <Outgoing onReturn={onReturn} />
      </div>
      <Composer
        returns={returns}
        start={(workflowId, message, keep) => {
          stay();
          const session = sessionId === null ? {} : { sessionId };
          return client.start(workflowId, { message, note: FROM_CHAT, keep, ...session });
        }}
      />
    </div>
  );
}
