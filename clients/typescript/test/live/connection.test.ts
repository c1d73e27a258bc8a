/** How a connection is kept, given up and made again, on a real server. */

import { expect, inject, it, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import type { Surroundings } from "../../src/index.js";
import { allOf, client, indexesOf, namesOf, ownServer, proxied } from "../support/clients.js";
import { upTo } from "../support/numbers.js";
import { eventually, refused, soon } from "../support/waiting.js";

const port = inject("port");
const url = `http://127.0.0.1:${port}`;

/** A page that the test shows, hides, and takes offline. */
function pretended(): Surroundings & { returns: () => void } {
  let told: () => void = () => undefined;
  return {
    returns: () => told(),
    onReturn: (listener) => {
      told = listener;
      return () => (told = () => undefined);
    },
    onLeave: () => () => undefined,
  };
}

it("a connection on which nothing is heard is given up, and another one made", async () => {
  const proxy = await proxied(port);
  const one = client(proxy.url, { heartbeat: 100 });
  const run = await one.start("confirmed", { message: "hi" });
  await eventually(() => run.view.status === "PAUSED", "a pause");
  proxy.silent = true;
  const before = proxy.connections;
  await eventually(() => one.connection.phase === "offline", "the silence to be noticed");
  proxy.silent = false;
  await eventually(() => one.connection.phase === "live", "another connection");
  expect(proxy.connections).toBeGreaterThan(before);
  await run.decide(run.view.pending[0]!, { confirmed: true });
  expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
});

it("a quiet connection that answers is kept", async () => {
  let pings = 0;
  class Counting extends WebSocket {
    override send(data: never): void {
      if (String(data).includes('"ping"')) pings += 1;
      super.send(data);
    }
  }
  const proxy = await proxied(port);
  const one = client(proxy.url, { heartbeat: 20, WebSocket: Counting });
  await eventually(() => pings > 5, "some silence");
  expect([one.connection.phase, proxy.connections]).toEqual(["live", 1]);
});

it("the page's return ends the waiting at once", async () => {
  const proxy = await proxied(port);
  const surroundings = pretended();
  const one = client(proxy.url, { surroundings, backoff: { first: 3_600_000, longest: 3_600_000 } });
  await soon(one.ready(), "a connection");
  proxy.away = true;
  await eventually(() => one.connection.phase === "offline", "being offline");
  proxy.away = false;
  surroundings.returns();
  await eventually(() => one.connection.phase === "live", "being live");
});

it("the page's return finds out that a connection is dead", async () => {
  const proxy = await proxied(port);
  const surroundings = pretended();
  const one = client(proxy.url, { surroundings, heartbeat: 3_600_000 });
  await soon(one.ready(), "a connection");
  proxy.silent = true;
  surroundings.returns();
  await eventually(() => one.connection.phase === "offline", "the silence to be noticed");
});

it("a final close code ends the client, and says why", async () => {
  class Elsewhere extends WebSocket {
    constructor(address: string, protocols?: string | string[]) {
      super(address, protocols, { origin: "https://elsewhere.example" });
    }
  }
  const one = client(url, { WebSocket: Elsewhere });
  expect(await refused(one.ready())).toMatchObject({ code: "disconnected", closeCode: 4403 });
  expect(one.connection.phase).toBe("closed");
});

it("a client that is closed refuses what waits, and what comes", async () => {
  const proxy = await proxied(port);
  proxy.away = true;
  const one = client(proxy.url);
  const start = one.start("say");
  const loop = allOf(one.follow("run-x"));
  one.close();
  for (const waiting of [start, loop, one.start("say"), one.ready()]) {
    expect(await refused(waiting)).toMatchObject({ code: "closed" });
  }
});

it("a client that is closed writes nothing down any more", async () => {
  const stored = new Map<string, string>();
  const storage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  const one = client(url, { storage, storagePrefix: "page" });
  const run = await one.start("confirmed");
  await eventually(() => run.view.status === "PAUSED", "a pause");
  const timers = vi.spyOn(globalThis, "setTimeout");
  onTestFinished(() => timers.mockRestore());
  one.close();
  expect(stored.has(`page:run:${run.runId}`)).toBe(true);
  stored.clear();
  await refused(run.decide(run.view.pending[0]!, { confirmed: true }));
  const own = timers.mock.calls.filter(([called]) => String(called).includes("flush"));
  expect([own, stored.size]).toEqual([[], 0]);
  await client(url).cancel({ run_id: run.runId, workflow_id: "confirmed" });
});

it("a run that is left in the middle of its past isn't waited for", async () => {
  const one = client(url);
  const { runId } = await client(url)
    .start("flood", { message: "4000" })
    .then((run) => run.finished().then(() => run));
  const run = one.follow(runId);
  await new Promise<void>((resolve) => {
    run.onEvent(() => resolve());
  });
  expect(run.behind).toBeGreaterThan(0);
  run.unfollow();
  await eventually(() => one.connection.phase === "live", "being live");
});

it("what is too large is refused without being sent", async () => {
  const one = client(url);
  await soon(one.ready(), "a connection");
  expect(await refused(one.start("say", { message: "x".repeat(2_000_000) }))).toMatchObject({
    code: "message_too_large",
  });
  expect((await one.start("say", { message: "y" })).runId).toMatch(/^run-/);
});

it("events that the server has lost are told by a gap and a snapshot, and the run goes on", async () => {
  const server = await ownServer({ INTERLOCK_MAX_LOG_EVENTS: "1000" });
  const one = client(server.url);
  const run = await one.start("written", { message: "3000" });
  await eventually(() => run.view.status === "PAUSED", "a pause");
  const late = await eventually(async () => {
    const again = client(server.url).follow(run.runId);
    await eventually(() => again.view.status === "PAUSED", "a pause");
    if (again.view.snapshotAsOf !== null) return again;
    again.unfollow(); // the log isn't cut yet
    return null;
  }, "a log that is cut");
  expect(late.view.pending).toEqual(run.view.pending);
  await late.decide(late.view.pending[0]!, { confirmed: true });
  const events = await allOf(late);
  expect(namesOf(events).slice(0, 2)).toEqual(["gap", "WorkflowRunOutput"]);
  const first = (late.view.snapshotAsOf ?? 0) + 1;
  expect(indexesOf(events.slice(2))).toEqual(upTo((late.view.lastIndex ?? 0) + 1).slice(first));
  await soon(run.finished(), "the end");
  expect([late.view.status, late.view.output]).toEqual([run.view.status, run.view.output]);
});
