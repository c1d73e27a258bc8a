/** Addresses of graphs. Pure. */

/** A graph's canvas. */
export function graphPathOf(name: string, sessionId?: string): string {
  const session = sessionId === undefined ? "" : `?session=${encodeURIComponent(sessionId)}`;
  return `/graphs/${encodeURIComponent(name)}${session}`;
}
