/** The client that the hooks of a page use. */

import { createContext, useContext } from "react";
import type { Client } from "../client.js";
import { misuse } from "../errors.js";

/** Set by `InterlockProvider`. */
export const ClientContext = createContext<Client | null>(null);

/** The client of the page. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === null) throw misuse("there is no client here; put an <InterlockProvider client={…}> around the page");
  return client;
}
