/**
 * Times that stay true while they are shown.
 *
 * Laws:
 * - One clock ticks for all of them, and none while the page is hidden or nobody looks.
 */

import { useSyncExternalStore } from "react";
import { agoOf, dateTimeOf, durationOf, timeOf } from "./format.ts";

const listeners = new Set<() => void>();
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  if (document.hidden) return;
  now = Date.now();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time, to the second, in milliseconds since 1970. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () =>
    Date.now() - now > 2000 && listeners.size === 0 ? (now = Date.now()) : now,
  );
}

let ahead = 0;

/** The server's clock is so many milliseconds before this device's. */
export function setServerClock(ms: number): void {
  ahead = ms;
  for (const listener of listeners) listener();
}

/** The time by the server's clock, by which what waits runs out, to the second. */
export function useServerNow(): number {
  return useNow() + useSyncExternalStore(subscribe, () => ahead);
}

/** A point in time. */
export function Time({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={dateTimeOf(at)}>
      {timeOf(at)}
    </time>
  );
}

/** How long ago something was. */
export function Ago({ at }: { at: number }) {
  const current = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={dateTimeOf(at)}>
      {agoOf(at, current)}
    </time>
  );
}

/** How long something has taken, or takes so far. */
export function Took({ from, to, ms }: { from: number | null; to: number | null; ms?: number | null }) {
  if (ms !== undefined && ms !== null) return <>{durationOf(ms)}</>;
  if (from === null) return null;
  return to === null ? <Running from={from} /> : <>{durationOf(to - from)}</>;
}

function Running({ from }: { from: number }) {
  const current = useNow();
  return <>{durationOf(Math.max(0, Math.floor((current - from) / 1000) * 1000))}</>;
}
