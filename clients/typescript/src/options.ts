/** What a client, a run and a following of one are made with. */

import type { Codec } from "./codec.js";
import type { Beginning } from "./cursor.js";
import type { StorageLike } from "./memory.js";
import type { JsonValue } from "./protocol.js";
import type { WebSocketConstructor } from "./socket.js";
import type { Surroundings } from "./surroundings.js";
import type { Token } from "./tokens.js";
import type { ViewOptions } from "./view.js";

/** How to connect. Times are in milliseconds. */
export interface ConnectOptions {
  /**
   * The token, or a function that gets one: for each connection, before one expires, and when one was refused. A
   * function that gets an empty one says that there is none any more; one that throws is asked again later.
   */
  token?: Token;
  /** `json` by default; or `msgpack`, of `@interlock/client/msgpack`. */
  codec?: Codec;
  /** What makes WebSockets where there is no global one, as in Node 20: that of the package `ws`. */
  WebSocket?: WebSocketConstructor;
  /** Where runs are remembered over a reload: `localStorage`, say. Without it, they aren't. */
  storage?: StorageLike;
  /**
   * Where actions that wait for an answer outlive a reload: `sessionStorage`, say, or `localStorage`. The next client of
   * the same user sends them, once; `Client.outbox` has them. What is typed into secret fields isn't written there.
   */
  outbox?: StorageLike;
  /** What the keys in `storage` and `outbox` begin with; `interlock` by default. */
  storagePrefix?: string;
  /** How many events the log of each run keeps at least, or `"complete"` for all. 10,000 by default. */
  log?: ViewOptions["log"];
  /** How long one attempt to connect may take, authentication included; 10,000 by default. */
  openTimeout?: number;
  /**
   * After how much silence the server is asked for a sign of life; 15,000 by default. Without an answer within 5,000, the
   * connection counts as lost.
   */
  heartbeat?: number;
  /** The bound of the first wait before reconnecting, and of the longest; 200 and 15,000 by default. */
  backoff?: { first?: number; longest?: number };
  /** How many actions may wait for an answer at a time; 100 by default. */
  maxWaitingActions?: number;
  /** What makes requests over HTTP; the global one by default. */
  fetch?: typeof globalThis.fetch;
  /** What tells that the network or the page is back; the page itself by default. */
  surroundings?: Surroundings;
}

/** What a run is started with. */
export interface StartOptions {
  message?: JsonValue;
  sessionId?: string;
  version?: string;
  /** Counts only from an admin. */
  userId?: string;
  /** Where the run is to be; its owner's own namespace by default. */
  namespace?: string;
  /** What it is about: no two active runs of a workflow have the same. */
  businessKey?: string;
  /** The same key again, within a day and by the same user, gets the run that was started then. */
  idempotencyKey?: string;
  /** What the program finds it again by in `Client.outbox`. */
  note?: string;
  /** False where the message isn't to be written to the storage of the outbox: it holds a secret, say. */
  keep?: boolean;
}

/** How a run is followed. */
export interface FollowOptions {
  /**
   * Where to begin. `start`, the default: everything that happened is replayed. `snapshot`: with its present state.
   * `stored`: where this page was before it was reloaded, with the view that it had; from the start if it isn't
   * remembered. A place: after that event, with a view that knows nothing of what was before.
   */
  from?: Beginning;
  /** Its workflow, where that is known: a run may be decided and cancelled before its first event, then. */
  workflowId?: string;
  log?: ViewOptions["log"];
}

/** A run that isn't followed, for `Client.decide` and `Client.cancel`. A summary of `Client.runs` is one. */
export interface RunReference {
  run_id: string;
  workflow_id: string;
}
