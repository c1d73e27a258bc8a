/**
 * What waits in older runs than the live list begins with: fetched page by page, and then as live as the others.
 */

import { useCallback, useState } from "react";
import { InterlockError, type RunSummary } from "@interlock/client";
import { usePending } from "@interlock/client/react";
import { useSession } from "../session/context.ts";
import { base } from "../session/session.ts";
import { errorOf } from "../ui/use-answer.ts";

/** As many runs as the server lists on a page. */
const PAGE = 200;

/** A page of runs, newest first. */
export interface Page {
  readonly runs: readonly RunSummary[];
  readonly next_cursor: string | null;
}

/** Brings older ones, while there are `more`. */
export function useOlder() {
  const { extend } = usePending();
  const { token } = useSession();
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const bring = useCallback(async () => {
    setBusy(true);
    setFault(null);
    try {
      await extend((has) => firstWithNews((cursor) => pageAfter(cursor, token ?? ""), has));
    } catch (error) {
      setFault(errorOf(error).message);
    } finally {
      setBusy(false);
    }
  }, [extend, token]);
  return { bring, isBusy, fault };
}

/** The first page with a run that isn't listed: the list may have begun anew, so it is looked for from the beginning. */
export async function firstWithNews(
  pageAfter: (cursor: string | null) => Promise<Page>,
  has: (runId: string) => boolean,
): Promise<{ runs: readonly RunSummary[]; more: boolean }> {
  let cursor: string | null = null;
  for (;;) {
    const { runs, next_cursor: next }: Page = await pageAfter(cursor);
    if (next === null || !runs.every(({ run_id: id }) => has(id))) return { runs, more: next !== null };
    cursor = next;
  }
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
