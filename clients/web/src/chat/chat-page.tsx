/** The chat: the runs of this conversation, and what the next message says. */

import { useEffect, useRef } from "react";
import { Plus } from "lucide-react";
import { useLocation, useParams } from "wouter";
import { useInterlock } from "@interlock/client/react";
import { partOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Empty } from "../ui/notice.tsx";
import { useTitle } from "../ui/title.ts";
import { Composer } from "./composer.tsx";
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
  const { runs, sessionId } = useConversation();
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
        {runs.length === 0 && (
          <Empty title="Start a run">
            Pick a workflow below, and write what it is to begin with. What it does is shown here, and when it waits for
            you, you decide here.
          </Empty>
        )}
        {runs.map((run) => (
          <RunInChat key={run.runId} {...run} workflowName={nameOf(run.workflowId)} />
        ))}
      </div>
      <Composer
        start={async (workflowId, message) => {
          const run = await client.start(workflowId, { message, ...(sessionId === null ? {} : { sessionId }) });
          stay();
          return run;
        }}
      />
    </div>
  );
}
