/**
 * A TCP proxy that cuts connections: at a byte that is drawn, or now.
 *
 * Laws:
 * - Bytes pass as they are. A cut connection is reset on both sides, in the middle of whatever was under way.
 * - Where it cuts is drawn from a seed.
 */

import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to the next connections. */
export interface Cuts {
  /** Where each connection is cut: after so many bytes to the client. */
  down?: () => number;
  /** The same, of bytes to the server. */
  up?: () => number;
}

/** A proxy before a server. */
export class Proxy {
  cuts: Cuts = {};
  /** Bytes are swallowed in silence, as by a network that is gone without a word. */
  silent = false;
  /** How many connections were made. */
  connections = 0;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #refusing = false;
  port = 0;

  private constructor(target: number) {
    this.#server = createServer((client) => this.#relay(client, target));
  }

  static async before(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    const address = proxy.#server.address();
    if (address !== null && typeof address !== "string") proxy.port = address.port;
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Cuts every connection now. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
    this.#open.clear();
  }

  /** From now on, whether new connections are cut at once. */
  set away(away: boolean) {
    this.#refusing = away;
    if (away) this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket, target: number): void {
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    this.connections += 1;
    const server = connect(target, "127.0.0.1");
    const both = [client, server];
    for (const socket of both) {
      this.#open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#open.delete(socket);
        for (const each of both) each.destroy();
      });
    }
    const end = () => both.forEach((socket) => socket.resetAndDestroy());
    const isSilent = () => this.silent;
    pump(client, server, this.cuts.up?.() ?? Infinity, end, isSilent);
    pump(server, client, this.cuts.down?.() ?? Infinity, end, isSilent);
  }
}

/** Passes bytes on, up to `limit`; then calls `end`. */
function pump(from: Socket, to: Socket, limit: number, end: () => void, isSilent: () => boolean): void {
  let left = limit;
  from.on("data", (data: Buffer) => {
    if (isSilent()) return;
    if (data.length < left) {
      left -= data.length;
      if (!to.write(data)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
      return;
    }
    to.write(data.subarray(0, left), end);
    left = 0;
  });
}

/** Numbers from 0 up to, not including, 1, drawn from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
