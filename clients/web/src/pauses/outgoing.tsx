/** That an answer hasn't reached the server yet, on its card; what was never sent can be taken back. */

import { useSession } from "../session/context.ts";
import { decidedBy, useIsConnected, useOutbox } from "../session/outbox.ts";
import { Button } from "../ui/button.tsx";

/** What waits to be sent of the answers to what has these ids. */
export function AnswerOnItsWay({ ids }: { ids: readonly string[] }) {
  const { client } = useSession();
  const waiting = useOutbox().filter((each) => decidedBy(each).some((id) => ids.includes(id)));
  const isConnected = useIsConnected();
  if (isConnected || waiting.length === 0) return null;
  return waiting.map(({ id, wasSent }) => (
    <div key={id} className="actions" role="group" aria-label="Answer that waits to be sent">
      <span className="hint">
        {wasSent ? "Your answer was sent, and the server hasn’t confirmed it yet." : "Your answer waits to be sent."}
      </span>
      {!wasSent && (
        <Button small tone="quiet" onPress={() => client?.outbox.takeBack(id)}>
          Take it back
        </Button>
      )}
    </div>
  ));
}
