/**
 * One connection: frames to messages, and the ways in which it ends.
 *
 * Laws:
 * - It ends once, and says why once. A connection that is given up is over at once, however long the network takes.
 * - One that stays silent is asked for a sign of life, by the protocol's own `ping`: a browser can't send another. Any
 *   message is one.
 * - It knows nothing of what messages mean.
 */

import { sizeOf, type Codec } from "./codec.js";
import { misuse } from "./errors.js";
import type { Received } from "./events.js";

/** What is needed of a WebSocket: the browser's, Node's (from 22 on), or that of the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** What makes a WebSocket. */
export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** The WebSocket that there is. Throws `misuse` where there is none. */
export function builtIn(): WebSocketConstructor {
  const found = (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (found === undefined) throw misuse("there is no WebSocket here; pass that of the package 'ws' as WebSocket: …");
  return found;
}

/** How a connection ended. */
export interface Ending {
  /** The close code; 1006 where the connection broke. */
  code: number;
  /** For people. */
  reason: string;
}

/** Who a connection works for. */
export interface SocketListener {
  /** A message came; `size` is that of its frame, in bytes. */
  received(message: Received): void;
  /** A frame came that isn't a message. */
  violated(error: Error): void;
  ended(ending: Ending): void;
}

/** How a connection is watched, in milliseconds. */
export interface Patience {
  /** How long connecting and authenticating may take. */
  open: number;
  /** After how much silence the server is asked for a sign of life. */
  heartbeat: number;
  /** How long it may take to answer that. */
  answer: number;
}

const NORMAL = 1000;
const BROKEN = 1006;

/** A connection that is being made or is there. */
export class Socket {
  readonly #socket: WebSocketLike;
  readonly #codec: Codec;
  readonly #listener: SocketListener;
  readonly #patience: Patience;
  #ended = false;
  #heard = 0;
  #pings = 0;
  #isProbing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Frames that wait for the program to have its turn. */
  #held: (string | ArrayBuffer)[] | null = null;

  constructor(make: WebSocketConstructor, url: string, codec: Codec, patience: Patience, listener: SocketListener) {
    this.#codec = codec;
    this.#listener = listener;
    this.#patience = patience;
    this.#socket = new make(url, [codec.subprotocol]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = (event: { data: unknown }) => this.#take(event.data as string | ArrayBuffer);
    this.#socket.onclose = (event: { code: number; reason: string }) => this.#end(endingOf(event));
    this.#socket.onerror = () => undefined; // `onclose` follows
    this.#after(patience.open, () => this.abandon("no answer in time"));
  }

  /** Sends a message. Returns its size in bytes, or null where there was nothing to send it on. */
  send(message: object): void {
    if (this.#ended) return;
    try {
      this.#socket.send(this.#codec.encode(message));
    } catch {
      // The connection is closing; `onclose` follows, and what waits for an answer is sent again.
    }
  }

  /** How many bytes a message has. */
  sizeOf(message: object): number {
    return sizeOf(this.#codec.encode(message));
  }

  /** From now on silence is watched: connecting is over. */
  established(): void {
    this.#watch();
  }

  /** Asks for a sign of life at once, and gives the connection up if there is none. */
  probe(): void {
    this.#isProbing = true;
    this.#pings += 1;
    this.send({ action: "ping", request_id: `ping-${this.#pings}` });
    this.#after(this.#patience.answer, () => this.abandon("the server is silent"));
  }

  /**
   * Lets the program have its turn before the next message: whoever waits for this one's effect may begin to listen then.
   * A WebSocket in Node gives several messages in one go.
   */
  hold(): void {
    if (this.#held !== null) return;
    this.#held = [];
    setTimeout(() => this.#release(), 0);
  }

  #release(): void {
    const frames = this.#held ?? [];
    this.#held = null;
    for (const [place, frame] of frames.entries()) {
      this.#take(frame);
      if (this.#isHeld()) {
        this.#held = frames.slice(place + 1);
        return;
      }
    }
  }

  #isHeld(): boolean {
    return this.#held !== null;
  }

  /** Ends the connection without waiting for the other side. */
  abandon(reason: string): void {
    this.#end({ code: BROKEN, reason });
    this.#socket.close(NORMAL);
  }

  #watch(): void {
    this.#isProbing = false;
    const heard = this.#heard;
    this.#after(this.#patience.heartbeat, () => {
      if (this.#heard === heard) this.probe();
      else this.#watch();
    });
  }

  #after(milliseconds: number, then: () => void): void {
    clearTimeout(this.#timer);
    if (!this.#ended) this.#timer = setTimeout(then, milliseconds);
  }

  #take(frame: string | ArrayBuffer): void {
    if (this.#ended) return;
    if (this.#held !== null) {
      this.#held.push(frame);
      return;
    }
    this.#heard += 1;
    if (this.#isProbing) this.#watch();
    let message: Received;
    try {
      message = this.#codec.decode(frame);
    } catch (error) {
      this.#listener.violated(error as Error);
      return;
    }
    this.#listener.received(message);
  }

  #end(ending: Ending): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#listener.ended(ending);
  }
}

function endingOf(event: { code: number; reason: string }): Ending {
  const reason = event.reason || (event.code === BROKEN ? "the connection broke" : "the connection was closed");
  return { code: event.code, reason };
}
