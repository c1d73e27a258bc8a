/**
 * MessagePack in binary frames: `connect(url, { codec: msgpack })`. Needs the package `@msgpack/msgpack`.
 *
 * Laws:
 * - Integers that JavaScript's numbers can't hold exactly are rounded, as `JSON.parse` does.
 */

import { decode, encode } from "@msgpack/msgpack";
import { message, type Codec } from "./codec.js";

/** MessagePack in binary frames. */
export const msgpack: Codec = {
  subprotocol: "interlock.v1.msgpack",
  encode: (sent) => encode(sent, { ignoreUndefined: true }),
  decode: (frame) => {
    if (typeof frame === "string") throw new TypeError("a text frame where MessagePack was agreed on");
    return message(unpacked(frame));
  },
};

function unpacked(frame: ArrayBuffer): unknown {
  try {
    return decode(new Uint8Array(frame));
  } catch {
    throw new TypeError("a frame isn't MessagePack");
  }
}
