/**
 * What the server answers to one question.
 *
 * Laws:
 * - While it is asked for again, what is known stays. The answer to another question isn't shown in its place.
 * - Who comes back to the page, or to the connection, sees what is true by then: it is asked for again.
 */

import { useCallback, useEffect, useRef, useState } from "react";
import { InterlockError } from "@interlock/client";

/** An answer, or why there is none. */
export interface Answered<T> {
  /** Null until it came. */
  readonly data: T | null;
  readonly error: InterlockError | null;
  readonly isLoading: boolean;
  /** When it came, in milliseconds since 1970. */
  readonly at: number | null;
  readonly again: () => void;
}

interface Known<T> extends Pick<Answered<T>, "data" | "error" | "at"> {
  key: string;
  /** How often it had been asked for. */
  round: number;
}

/** Any error as one of the client's. */
export function errorOf(error: unknown): InterlockError {
  return error instanceof InterlockError ? error : new InterlockError("internal", String(error));
}

/** Asks when `key` is another; `ask` must ask for what `key` says. */
export function useAnswer<T>(key: string, ask: () => Promise<T>): Answered<T> {
  const [known, setKnown] = useState<Known<T>>(() => nothing(key));
  const [round, setRound] = useState(0);
  const latest = useRef(ask);
  useEffect(() => {
    latest.current = ask;
  });
  useEffect(() => {
    let isOver = false;
    const tell = (change: Pick<Known<T>, "error"> & Partial<Known<T>>) => {
      if (!isOver) setKnown((before) => ({ ...(before.key === key ? before : nothing<T>(key)), ...change, round }));
    };
    latest.current().then(
      (data) => tell({ data, error: null, at: Date.now() }),
      (error: unknown) => tell({ error: errorOf(error) }),
    );
    return () => void (isOver = true);
  }, [key, round]);
  const again = useCallback(() => setRound((before) => before + 1), []);
  useEffect(() => {
    const onSeen = () => document.visibilityState === "visible" && again();
    document.addEventListener("visibilitychange", onSeen);
    return () => document.removeEventListener("visibilitychange", onSeen);
  }, [again]);
  const { data, error, at, round: settled } = known.key === key ? known : nothing<T>(key);
  return { data, error, at, isLoading: settled !== round, again };
}

function nothing<T>(key: string): Known<T> {
  return { key, data: null, error: null, at: null, round: -1 };
}
