/** The generated types, and both encodings, against the repository's schema and golden frames. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generated, TARGET } from "../scripts/generate.js";
import { json } from "../src/codec.js";
import { isKnown } from "../src/events.js";
import { applyEvent, initialView, type ClientMessage, type RunMessage } from "../src/index.js";
import { msgpack } from "../src/msgpack.js";
import { asJson, frozen, vectors } from "./support/fixtures.js";

const fromServer = [...vectors("control"), ...vectors("events")];

function bytes(hex: string): ArrayBuffer {
  return Uint8Array.from(Buffer.from(hex, "hex")).buffer;
}

it("the types are those of the schema as it is now (npm run generate)", async () => {
  expect(readFileSync(TARGET, "utf8")).toBe(await generated());
});

describe("golden frames", () => {
  it.each(fromServer.map((vector) => [vector.name, vector] as const))(
    "%s is read alike in both encodings",
    (_, vector) => {
      expect(json.decode(vector.json)).toEqual(vector.message);
      expect(msgpack.decode(bytes(vector.msgpack))).toEqual(vector.message);
    },
  );

  it.each(vectors("client").map((vector) => [vector.name, vector] as const))(
    "%s is written alike in both",
    (_, vector) => {
      const message = vector.message as unknown as ClientMessage;
      expect(JSON.parse(json.encode(message) as string)).toEqual(vector.message);
      const event = { event: "x", message };
      const packed = msgpack.encode(event) as Uint8Array<ArrayBuffer>;
      expect(msgpack.decode(packed.slice().buffer)).toEqual(asJson(event));
    },
  );

  it("there is one of every run event that this version knows, and no other", () => {
    const names = new Set(vectors("events").map((vector) => vector.message["event"]));
    for (const vector of vectors("events")) {
      const isEvent = isKnown(vector.message as unknown as RunMessage);
      expect([vector.name, isEvent]).toEqual([vector.name, !vector.name.startsWith("unknown")]);
    }
    expect(names.size).toBeGreaterThanOrEqual(33);
  });

  it.each(vectors("events").map((vector) => [vector.name, vector] as const))(
    "%s is folded, whatever was before",
    (_, vector) => {
      const event = frozen(vector.message) as unknown as RunMessage;
      const view = frozen(initialView("abc-123"));
      const after = applyEvent(view, event);
      expect(after.log.length).toBe(1);
      expect(after.lastIndex).toBe(vector.message["event_index"] ?? vector.message["as_of"] ?? null);
    },
  );
});

describe("frames that aren't messages", () => {
  it.each(["", "x", "[]", "null", "{}", '{"event":1}', "7"])("%j is refused", (text) => {
    expect(() => json.decode(text)).toThrow(TypeError);
  });

  it("the wrong kind of frame is refused, and what isn't MessagePack", () => {
    expect(() => json.decode(new ArrayBuffer(2))).toThrow(TypeError);
    expect(() => msgpack.decode("{}")).toThrow(TypeError);
    expect(() => msgpack.decode(bytes("c1"))).toThrow(TypeError);
  });

  it("what is undefined isn't sent", () => {
    const message = { event: "x", a: undefined, b: null };
    expect(json.encode(message)).toBe('{"event":"x","b":null}');
    const packed = msgpack.encode(message) as Uint8Array<ArrayBuffer>;
    expect(msgpack.decode(packed.slice().buffer)).toEqual({ event: "x", b: null });
  });
});
