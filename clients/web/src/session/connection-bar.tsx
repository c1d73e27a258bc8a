/**
 * What the connection is doing.
 *
 * Laws:
 * - While everything is as it should be, it says so in one word and takes no room.
 * - While it isn't, it says since when, and what can be done.
 */

import { useInterlock } from "@interlock/client/react";
import { Button } from "../ui/button.tsx";
import { count, leftOf, timeOf } from "../ui/format.ts";
import { useNow } from "../ui/time.tsx";
import { useSession } from "./context.ts";
import { Unsent } from "./outbox-bar.tsx";

/** One word, for the navigation. */
export function ConnectionDot() {
  const { connection } = useInterlock();
  const [word, tone] = WORDS[connection.phase];
  return (
    <span className={`badge ${tone}`} role="status" aria-label="Connection">
      <span className="dot" aria-hidden />
      {connection.phase === "replaying" ? `Replaying ${count(connection.left)}` : word}
    </span>
  );
}

const WORDS = {
  connecting: ["Connecting", "busy"],
  live: ["Live", "good"],
  replaying: ["Replaying", "busy"],
  offline: ["Offline", "bad"],
  closed: ["Closed", "bad"],
} as const;

/** The bar above the page, while there is no connection. */
export function ConnectionBar() {
  const { client, connection } = useInterlock();
  const { asking } = useSession();
  if (asking === "expired" || asking === "refused") return null;
  if (connection.phase === "offline") {
    return (
      <div className="connection" role="alert">
        <span>
          Offline since {timeOf(connection.since)}. What you see may be out of date. <Retry at={connection.retryAt} />
        </span>
        <Unsent />
        <Button small onPress={() => client.retry()}>
          Retry now
        </Button>
      </div>
    );
  }
  if (connection.phase !== "closed") return null;
  return (
    <div className="connection" role="alert">
      <span>{connection.error.message}</span>
      <Button small onPress={() => location.reload()}>
        Load the page again
      </Button>
    </div>
  );
}

function Retry({ at }: { at: number }) {
  const left = at - useNow();
  return <span aria-hidden>{left > 1000 ? `The next try is in ${leftOf(left)}.` : "Trying to connect…"}</span>;
}
