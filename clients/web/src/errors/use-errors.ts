/**
 * Errors of instances, page after page.
 *
 * Laws:
 * - To refresh asks for as many as there are, so that nobody loses what they look at.
 */

import { useCallback, useEffect, useRef, useState } from "react";
import type { Client, ListedError, InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { errorOf } from "../ui/use-answer.ts";

const PAGE = 100;
const MOST_PAGES = 10;

/** Which errors are wanted; a period is counted back from now. */
export interface ErrorsWanted {
  readonly periodMs: number | null;
  readonly workflowName?: string;
  readonly code?: string;
  readonly namespace?: string;
}

interface Known {
  errors: readonly ListedError[] | null;
  at: number | null;
  fault: InterlockError | null;
  hasMore: boolean;
}

/** The errors; `null` until they came. */
export function useErrors(wanted: ErrorsWanted) {
  const { client } = useInterlock();
  const [stable] = useState(wanted);
  const [known, setKnown] = useState<Known>({ errors: null, at: null, fault: null, hasMore: false });
  const [isLoading, setLoading] = useState(true);
  const pages = useRef(1);
  const load = useCallback(async () => {
    setLoading(true);
    try {
      const { errors, hasMore } = await listed(client, stable, pages.current);
      setKnown({ errors, at: Date.now(), fault: null, hasMore: hasMore && pages.current < MOST_PAGES });
    } catch (error) {
      setKnown((before) => ({ ...before, fault: errorOf(error) }));
    } finally {
      setLoading(false);
    }
  }, [client, stable]);
  useEffect(() => void load(), [load]);
  const again = useCallback(() => void load(), [load]);
  const more = () => {
    pages.current += 1;
    void load();
  };
  return { ...known, isLoading, again, more };
}

async function listed(client: Client, { periodMs, ...rest }: ErrorsWanted, pages: number) {
  const errors: ListedError[] = [];
  const filter = {
    ...rest,
    ...(periodMs === null ? {} : { since: new Date(Date.now() - periodMs).toISOString() }),
  };
  let cursor: string | null = null;
  for (let page = 0; page < pages; page++) {
    const found = await client.instances.errors({ ...filter, limit: PAGE, ...(cursor === null ? {} : { cursor }) });
    errors.push(...found.errors);
    cursor = found.pagination.next_cursor;
    if (!found.pagination.has_more || cursor === null) return { errors, hasMore: false };
  }
  return { errors, hasMore: true };
}
