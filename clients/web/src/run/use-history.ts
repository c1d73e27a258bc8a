/**
 * The history of an instance, page after page, and what comes while it goes on.
 *
 * Laws:
 * - Each page is asked for once; only the last is asked for again, when the run has gone on. No entry is there twice.
 */

import { useCallback, useEffect, useRef, useState } from "react";
import type { HistoryEvent, HistoryEventType, InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { errorOf } from "../ui/use-answer.ts";

const PAGE = 100;
const SETTLE_MS = 250;

/** Which entries are wanted. */
export interface HistoryWanted {
  readonly types: readonly HistoryEventType[];
  readonly thread: string | null;
}

/** What is known of the history. */
export interface KnownHistory {
  readonly entries: readonly HistoryEvent[];
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly hasGap: boolean;
  readonly error: InterlockError | null;
  readonly more: () => void;
  readonly again: () => void;
}

interface Pages {
  /** The pages before the last one. */
  done: readonly HistoryEvent[];
  last: readonly HistoryEvent[];
  /** The cursor of the last page; undefined for the first. */
  cursor: string | undefined;
  next: string | null;
  hasGap: boolean;
  hasCome: boolean;
}

const NONE: Pages = { done: [], last: [], cursor: undefined, next: null, hasGap: false, hasCome: false };

/** The history; `lastIndex` says how far the run is. */
export function useHistory(runId: string, { types, thread }: HistoryWanted, lastIndex: number | null): KnownHistory {
  const { client } = useInterlock();
  const [pages, setPages] = useState(NONE);
  const [isLoading, setLoading] = useState(true);
  const [error, setError] = useState<InterlockError | null>(null);
  const latest = useRef(pages);
  const asking = useRef<Promise<void>>(Promise.resolve());
  const ask = useCallback(
    async (isNext: boolean) => {
      setLoading(true);
      try {
        const known = latest.current;
        const cursor = isNext && known.next !== null ? known.next : known.cursor;
        const filter = { types, limit: PAGE, ...(thread === null ? {} : { thread }) };
        const page = await client.instances.history(runId, { ...filter, ...(cursor === undefined ? {} : { cursor }) });
        const done = cursor === known.cursor ? known.done : [...known.done, ...known.last];
        const next = page.pagination.has_more ? page.pagination.next_cursor : null;
        const hasGap = known.hasGap || page.gap === true;
        latest.current = { done, last: page.events, cursor, next, hasGap, hasCome: true };
        setPages(latest.current);
        setError(null);
      } catch (fault) {
        setError(errorOf(fault));
      } finally {
        setLoading(false);
      }
    },
    [client, runId, types, thread],
  );
  // One after the other: what a page is asked for depends on the one before.
  const load = useCallback((isNext: boolean) => (asking.current = asking.current.then(() => ask(isNext))), [ask]);
  useEffect(() => {
    const timer = setTimeout(() => void load(false), latest.current.hasCome ? SETTLE_MS : 0);
    return () => clearTimeout(timer);
  }, [load, lastIndex]);
  return {
    entries: [...pages.done, ...pages.last],
    isLoading: isLoading && !pages.hasCome,
    hasMore: pages.next !== null,
    hasGap: pages.hasGap,
    error,
    more: () => void load(true),
    again: () => void load(false),
  };
}
