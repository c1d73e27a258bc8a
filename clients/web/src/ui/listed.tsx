/**
 * A list that the server answers with.
 *
 * Law: what is known stays while it is asked for again; that it may be out of date is said above it.
 */

import type { ReactNode } from "react";
import type { InterlockError } from "@interlock/client";
import { Notice, Skeleton } from "./notice.tsx";

interface ListedProps<T> {
  /** Null until it came. */
  found: readonly T[] | null;
  error: InterlockError | null;
  again: () => void;
  /** What is listed, as a plural. */
  what: string;
  /** What is shown to who may not see it, and where the server has no such thing. */
  forbidden: ReactNode;
  absent?: ReactNode;
  /** What is shown where there is nothing. */
  empty: ReactNode;
  children: (found: readonly T[]) => ReactNode;
}

/** The list, or what is shown instead. */
export function Listed<T>({ found, error, again, what, forbidden, absent, empty, children }: ListedProps<T>) {
  if (found === null && error === null) return <Skeleton label={`Loading the ${what}`} lines={6} />;
  if (found === null) {
    if (error?.code === "forbidden") return forbidden;
    if (error?.status === 404 && absent !== undefined) return absent;
    return (
      <Notice tone="fault" again={again}>
        The {what} can’t be listed: {error?.message}
      </Notice>
    );
  }
  return (
    <>
      {error && (
        <Notice tone="fault" again={again}>
          The list may be out of date: {error.message}
        </Notice>
      )}
      {found.length === 0 ? empty : children(found)}
    </>
  );
}
