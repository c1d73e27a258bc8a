/**
 * Errors of instances, page after page.
 *
 * Laws:
 * - To refresh asks for as many as there are, so that nobody loses what they look at.
 */

import { useCallback, useEffect, useRef, useState } from "react";
import type { Client, InstanceError, InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { errorOf } from "../ui/use-answer.ts";

const PAGE = 100;
const MOST_PAGES = 10;

/** Which errors are wanted; a period is counted back from now. */
export interface ErrorsWanted {
  readonly periodMs: number | null;
  readonly workflowName: string | undefined;
  readonly code: string | undefined;
  readonly namespace: string | undefined;
}

interface Known {
  errors: readonly InstanceError[] | null;
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

async function listed(client: Client, { periodMs, ...filter }: ErrorsWanted, pages: number) {
  const errors: InstanceError[] = [];
  const since = periodMs === null ? undefined : new Date(Date.now() - periodMs).toISOString();
  let cursor: string | undefined;
  for (let page = 0; page < pages; page++) {
    const found = await client.instances.errors({ ...filter, since, limit: PAGE, cursor });
    errors.push(...found.errors);
    cursor = found.pagination.next_cursor ?? undefined;
    if (!found.pagination.has_more || cursor === undefined) return { errors, hasMore: false };
  }
  return { errors, hasMore: true };
}
