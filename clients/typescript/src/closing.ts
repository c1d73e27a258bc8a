/**
 * What a close code means for a client: the band decides, so that codes which this version doesn't know mean something.
 * But for 1009: the message that was too big for one side would only be sent again.
 *
 * Source: docs/protocol.md, "Close codes".
 */

/** `final`: coming back makes no sense. `away`: the server is there, and wants distance. `lost`: come back. */
export type Closing = "final" | "away" | "lost";

/** What a close code means. */
export function closing(code: number): Closing {
  if ((code >= 4000 && code <= 4499) || code === 1009) return "final";
  return code >= 4500 && code <= 4999 ? "away" : "lost";
}
