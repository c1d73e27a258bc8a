/** The client of the page, and the state of its connection. */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { Client } from "../client.js";
import type { ConnectionState, Identity } from "../connection.js";
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
  const connection = useOfClient(client, () => client.connection);
  return { client, connection };
}

/** Who the server says this client is, without what the connection is doing. */
export function useIdentity(client: Client): Identity {
  const userId = useOfClient(client, () => client.connection.userId);
  const scopes = useOfClient(client, () => client.connection.scopes);
  const account = useOfClient(client, () => client.connection.account);
  const namespaces = useOfClient(client, () => client.connection.namespaces);
  const groups = useOfClient(client, () => client.connection.groups);
  return useMemo(
    () => ({ userId, scopes, account, namespaces, groups }),
    [userId, scopes, account, namespaces, groups],
  );
}

function useOfClient<T>(client: Client, read: () => T): T {
  const subscribe = useCallback((listener: () => void) => client.subscribe(listener), [client]);
  return useSyncExternalStore(subscribe, read, read);
}
