/** A small HTTP server that answers as the HTTP API does: what it is told to next, or what its book says. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

/** A request, as it came. */
export interface Received {
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  body: unknown;
}

/** An answer. */
export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** An answer that never comes: the connection is closed instead. */
export const HANG_UP = "hang up";

type Answering = Reply | typeof HANG_UP | ((received: Received) => Reply);

/** The server. */
export class Api {
  readonly received: Received[] = [];
  /** Answers by method and path, given again and again. */
  readonly book = new Map<string, Answering>();
  /** Answers that are given before, each once, whatever is asked. */
  readonly next: Answering[] = [];
  url = "";

  static async started(): Promise<Api> {
    const api = new Api();
    const server = createServer((asked, answer) => void api.#answer(asked, answer));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    api.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    onTestFinished(() => void server.close());
    return api;
  }

  async #answer(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of asked) chunks.push(chunk as Buffer);
    const [path = "", query = ""] = (asked.url ?? "").split("?");
    const method = asked.method ?? "";
    const text = Buffer.concat(chunks).toString();
    const headers = asked.headers as Record<string, string>;
    const received = { method, path, query, headers, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
    this.received.push(received);
    const found = this.next.shift() ?? this.book.get(`${method} ${path}`) ?? error(404, "workflow_not_found");
    if (found === HANG_UP) return void asked.socket.destroy();
    const reply = typeof found === "function" ? found(received) : found;
    answer.writeHead(reply.status, { connection: "close", ...reply.headers });
    answer.end(typeof reply.body === "string" ? reply.body : JSON.stringify(reply.body));
  }
}

/** An answer with data. */
export function data(body: unknown, status = 200): Reply {
  return { status, body: { data: body } };
}

/** An answer that is an error, in the reference's form. */
export function error(
  status: number,
  code: string,
  details: unknown = null,
  headers: Record<string, string> = {},
): Reply {
  const body = { error: { code, message: "So it is.", details, request_id: "req_01F8B6XY9Z" } };
  return { status, body, headers };
}
