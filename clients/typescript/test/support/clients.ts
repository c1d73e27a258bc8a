/** Clients of the tests' server, which are closed when the test is over. */

import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { connect, type Client, type ConnectOptions, type Run, type RunMessage } from "../../src/index.js";
import { indexOf } from "../../src/events.js";
import { Proxy } from "./proxy.js";
import { ALICE, Server } from "./server.js";
import { soon } from "./waiting.js";

/** A client that comes back at once. */
export function client(url: string, options: ConnectOptions = {}): Client {
  const made = connect(url, { token: ALICE, WebSocket, backoff: { first: 5, longest: 50 }, ...options });
  onTestFinished(() => made.close());
  return made;
}

/** A proxy before a port. */
export async function proxied(port: number): Promise<Proxy> {
  const proxy = await Proxy.before(port);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A server of the test's own. */
export async function ownServer(settings: Record<string, string> = {}): Promise<Server> {
  const server = await Server.started(settings);
  onTestFinished(() => server.stop());
  return server;
}

/** Every message of a run, up to its end. */
export async function allOf(run: Run): Promise<RunMessage[]> {
  const messages: RunMessage[] = [];
  const read = async () => {
    for await (const message of run) messages.push(message);
    return messages;
  };
  return soon(read(), `the end of ${run.runId}, after ${messages.length} messages`);
}

/** The indexes of events. */
export function indexesOf(messages: readonly RunMessage[]): (number | undefined)[] {
  return messages.map(indexOf);
}

/** The names of events. */
export function namesOf(messages: readonly RunMessage[]): string[] {
  return messages.map((message) => message.event);
}
