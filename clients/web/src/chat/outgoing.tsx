/**
 * Messages that have left the composer, and that no run has been started with yet.
 *
 * Laws:
 * - What was sent is here until its run is, also after a reload; it is sent once, by itself, when the server is back.
 * - What was never sent can be taken back into the composer. What was refused can, too.
 */

import type { JsonValue, WaitingAction } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { FROM_CHAT, useIsConnected, useOutbox } from "../session/outbox.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";
import { dismiss, useConversation } from "./store.ts";

/** A message that is given back to the composer. */
export interface Returned {
  readonly workflowId: string;
  readonly message: JsonValue;
}

/** The messages of this conversation that are on their way. */
export function Outgoing({ onReturn }: { onReturn: (returned: Returned) => void }) {
  const { refused, sessionId } = useConversation();
  const waiting = useOutbox();
  const mine = waiting.filter(
    ({ action, note }) =>
      action.action === "start-workflow" && note === FROM_CHAT && (action.session_id ?? null) === sessionId,
  );
  return (
    <>
      {refused
        .filter((each) => each.sessionId === sessionId)
        .map(({ id, workflowId, message, sentence }) => (
          <Sent key={id} message={message} workflowId={workflowId} label="Message that was refused">
            <span className="fault">Wasn’t started: {sentence}</span>
            <Button
              tone="quiet"
              small
              onPress={() => {
                dismiss(id);
                onReturn({ workflowId, message });
              }}
            >
              Write it again
            </Button>
            <Button tone="quiet" small onPress={() => dismiss(id)}>
              Forget it
            </Button>
          </Sent>
        ))}
      {mine.map((each) => (
        <WaitingMessage key={each.id} waiting={each} onReturn={onReturn} />
      ))}
    </>
  );
}

function WaitingMessage({ waiting, onReturn }: { waiting: WaitingAction; onReturn: (returned: Returned) => void }) {
  const { client } = useInterlock();
  const isConnected = useIsConnected();
  const { action, wasSent, id } = waiting;
  if (action.action !== "start-workflow") return null;
  const { workflow_id: workflowId, message = null } = action;
  return (
    <Sent message={message} workflowId={workflowId} label="Message that waits to be sent">
      <span>{isConnected ? "Sending…" : wasSent ? "Sent, and not answered yet" : "Waiting to be sent"}</span>
      {!isConnected && !wasSent && (
        <Button tone="quiet" small onPress={() => client.outbox.takeBack(id) && onReturn({ workflowId, message })}>
          Take it back
        </Button>
      )}
    </Sent>
  );
}

function Sent(props: { message: JsonValue; workflowId: string; label: string; children: React.ReactNode }) {
  const { message, workflowId, label, children } = props;
  const { nameOf } = useWorkflows();
  const text = textOfValue(message);
  return (
    <div className="bubble unsent" role="group" aria-label={label}>
      {text !== "" && <Folded text={text} what="message" code={typeof message !== "string"} />}
      <p className="hint outgoing">
        <span>{nameOf(workflowId)} ·</span> {children}
      </p>
    </div>
  );
}
