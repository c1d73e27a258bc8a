/** What waits for whoever is signed in, without what only others may decide. */

import { useMemo } from "react";
import { useInterlock, usePending, type UsePending } from "@interlock/client/react";
import { mayDecide } from "../pauses/may.ts";

/** The inbox. */
export function useInbox(): Omit<UsePending, "decide"> {
  const { pending: all, loading, error } = usePending();
  const { userId, scopes } = useInterlock().connection;
  const isAdmin = scopes.includes("admin");
  const pending = useMemo(
    () => all.filter((item) => mayDecide(item.pending.assignees, item.run.user_id, { userId, isAdmin })),
    [all, userId, isAdmin],
  );
  return { pending, loading, error };
}
