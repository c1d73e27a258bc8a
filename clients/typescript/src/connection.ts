/**
 * The state of the connection, as a page shows it.
 *
 * Laws:
 * - The object changes when what it says does, and only then.
 */

import type { InterlockError } from "./errors.js";

/** Who the server says this client is, from the first time it said so. */
export interface Identity {
  readonly userId: string | null;
  readonly scopes: readonly string[];
  /** The account whose user it is; null from servers that have none. */
  readonly account: string | null;
  /** The namespaces that are the user's; `*`, the first, says that all of the account are. */
  readonly namespaces: readonly string[];
  /** The groups that the user is in; null where the server doesn't tell. */
  readonly groups: readonly string[] | null;
}

/** Who it is before the server has said so. */
export const NOBODY: Identity = { userId: null, scopes: [], account: null, namespaces: [], groups: null };

/** One user of one account, as a text; null where that isn't known. @internal */
export function whoIs({ account, userId }: Identity): string | null {
  return userId === null ? null : JSON.stringify([account, userId]);
}

/** What the connection is doing. Times are in milliseconds since 1970. */
export type ConnectionPhase =
  /** The first connection is being made. */
  | { readonly phase: "connecting" }
  /** What is shown is what is: everything was received that the server has. */
  | { readonly phase: "live" }
  /** There is a connection, and `left` events of the past are still to come. */
  | { readonly phase: "replaying"; readonly left: number }
  /** There is none since `since`; the next try, the one with the number `attempt`, is at `retryAt`. */
  | {
      readonly phase: "offline";
      readonly since: number;
      readonly retryAt: number;
      readonly attempt: number;
      readonly reason: string;
    }
  /** There is none, and none will be made. */
  | { readonly phase: "closed"; readonly error: InterlockError };

/** The state of the connection. */
export type ConnectionState = Identity & ConnectionPhase;

/** How much of what is left to replay has to have come until that is another state: a part of so many. */
const COARSENESS = 100;

/** Whether two states say the same; while events are replayed, about the same. */
export function isSame(one: ConnectionState, other: ConnectionState): boolean {
  if (one.userId !== other.userId || one.scopes !== other.scopes || one.phase !== other.phase) return false;
  if (one.account !== other.account || one.namespaces !== other.namespaces) return false;
  if (one.groups !== other.groups) return false;
  if (one.phase === "offline" && other.phase === "offline") return one.retryAt === other.retryAt;
  if (one.phase !== "replaying" || other.phase !== "replaying") return true;
  return Math.abs(one.left - other.left) < Math.max(1, one.left / COARSENESS);
}
