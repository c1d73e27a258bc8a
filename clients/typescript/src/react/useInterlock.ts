/** The client of the page, and the state of its connection. */

import { useSyncExternalStore } from "react";
import type { Client } from "../client.js";
import type { ConnectionState } from "../connection.js";
import { useClient } from "./context.js";

/** What `useInterlock` gives. */
export interface UseInterlock {
  client: Client;
  /** As `Client.connection`: `connecting`, `live`, `replaying`, `offline` or `closed`, with the user and the scopes. */
  connection: ConnectionState;
}

/** The client of the page, and the state of its connection. */
export function useInterlock(): UseInterlock {
  const client = useClient();
  const connection = useSyncExternalStore(
    (listener) => client.subscribe(listener),
    () => client.connection,
    () => client.connection,
  );
  return { client, connection };
}
