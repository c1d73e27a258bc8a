/**
 * How messages become frames, and frames messages.
 *
 * Laws:
 * - Both encodings carry exactly what JSON has; a field that is undefined isn't sent.
 * - What can't be read is a `TypeError` of `decode`, whatever was wrong with it.
 *
 * MessagePack is in `@interlock/client/msgpack`, so that who doesn't use it needn't have its library.
 */

import type { ClientMessage } from "./protocol.js";
import type { Received } from "./events.js";

/** What travels in one WebSocket message. */
export type Frame = string | Uint8Array<ArrayBuffer>;

/** One encoding of the protocol. */
export interface Codec {
  /** What is offered to the server. */
  readonly subprotocol: string;
  encode(message: ClientMessage | object): Frame;
  /** The message in a frame. Throws a `TypeError` where there is none. */
  decode(frame: string | ArrayBuffer): Received;
}

const utf8 = new TextEncoder();

/** JSON in text frames. */
export const json: Codec = {
  subprotocol: "interlock.v1.json",
  encode: (message) => JSON.stringify(message),
  decode: (frame) => {
    if (typeof frame !== "string") throw new TypeError("a binary frame where text was agreed on");
    return message(parsed(frame));
  },
};

/** How many bytes a frame has. */
export function sizeOf(frame: Frame | ArrayBuffer): number {
  return typeof frame === "string" ? utf8.encode(frame).byteLength : frame.byteLength;
}

/** What was read, if it is a message. */
export function message(value: unknown): Received {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError("a frame isn't an object");
  if (!("event" in value) || typeof value.event !== "string") throw new TypeError("a frame has no event");
  return value as Received;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new TypeError("a frame isn't JSON");
  }
}
