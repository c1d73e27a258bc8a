/** The client of a page, for the hooks of its components. */

import type { ReactNode } from "react";
import type { Client } from "../client.js";
import { ClientContext } from "./context.js";

/** What `InterlockProvider` takes. */
export interface InterlockProviderProps {
  /** Made once, outside of the components: `const client = connect(…)`. */
  client: Client;
  children?: ReactNode;
}

/** Gives the components inside of it the client. */
export function InterlockProvider({ client, children }: InterlockProviderProps) {
  return <ClientContext.Provider value={client}>{children}</ClientContext.Provider>;
}
