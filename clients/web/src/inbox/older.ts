/**
 * What waits in older runs than the live list begins with: fetched page by page, and then as live as the others.
 */

import { useCallback, useRef, useState } from "react";
import { InterlockError, type RunSummary } from "@interlock/client";
import { usePending } from "@interlock/client/react";
import { useSession } from "../session/context.ts";
import { base } from "../session/session.ts";
import { errorOf } from "../ui/use-answer.ts";

/** As many runs as the server lists on a page. */
const PAGE = 200;

interface Page {
  readonly runs: readonly RunSummary[];
  readonly next_cursor: string | null;
}

/** Brings older ones, while there are `more`. */
export function useOlder() {
  const { pending, extend } = usePending();
  const { token } = useSession();
  /** Where the next page begins; null at the beginning. */
  const cursor = useRef<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const bring = useCallback(async () => {
    setBusy(true);
    setFault(null);
    const known = new Set(pending.map(({ run }) => run.run_id));
    try {
      await extend(async () => {
        for (;;) {
          const { runs, next_cursor: next } = await pageAfter(cursor.current, token ?? "");
          cursor.current = next;
          // The first pages are of what is listed already.
          if (next === null || runs.some(({ run_id: id }) => !known.has(id))) return { runs, more: next !== null };
        }
      });
    } catch (error) {
      setFault(errorOf(error).message);
    } finally {
      setBusy(false);
    }
  }, [pending, extend, token]);
  return { bring, isBusy, fault };
}

async function pageAfter(cursor: string | null, token: string): Promise<Page> {
  const asked = new URLSearchParams({ waiting_for_me: "true", limit: String(PAGE) });
  if (cursor !== null) asked.set("cursor", cursor);
  const headers = { Authorization: `Bearer ${token}`, Accept: "application/vnd.interlock+json, application/json" };
  const answer = await fetch(`${base}runs?${asked.toString()}`, { headers }).catch(() => null);
  if (answer?.ok !== true)
    throw new InterlockError("unreachable", "The older ones can’t be loaded now. Try again in a while.");
  return (await answer.json()) as Page;
}
