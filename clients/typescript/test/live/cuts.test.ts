/** Connections that are cut, servers that die, tokens that expire: nothing is lost, repeated, or done twice. */

import { describe, expect, inject, it, onTestFinished, vi } from "vitest";
import type { ConnectionState, Pending, Run, RunMessage } from "../../src/index.js";
import { indexOf } from "../../src/events.js";
import { allOf, client, indexesOf, namesOf, ownServer, proxied } from "../support/clients.js";
import { upTo } from "../support/numbers.js";
import { seeded } from "../support/proxy.js";
import { ALICE, BOB, jwt } from "../support/server.js";
import { eventually, refused, soon } from "../support/waiting.js";

const port = inject("port");
const direct = `http://127.0.0.1:${port}`;

interface Listed {
  runs: { run_id: string; session_id: string; status: string }[];
}

function count(messages: readonly RunMessage[], name: string): number {
  return namesOf(messages).filter((each) => each === name).length;
}

/** What a run waits for, once nothing in it goes on. */
function pendingOf(run: Run): Promise<Pending> {
  return eventually(() => (run.view.status === "PAUSED" ? run.view.pending[0] : undefined), "a pause");
}

/** What a list has, as JSON. */
function plain(items: Iterable<unknown>): unknown {
  return JSON.parse(JSON.stringify([...items]));
}

describe("connections that are cut at random bytes", () => {
  it.each([1, 2, 3])("a follower has no repeats and no holes (seed %i)", async (seed) => {
    const proxy = await proxied(port);
    const random = seeded(seed);
    proxy.cuts = { down: () => 500 + random() * 30_000 };
    const run = await client(proxy.url).start("stream", { message: "1500" });
    const text: string[] = [];
    run.onEvent((event) => {
      if (event.event === "RunResponseContentEvent") text.push(event.content as string);
    });
    const events = await allOf(run);
    expect(indexesOf(events)).toEqual(upTo(1504));
    expect(text.join("")).toBe(
      upTo(1500)
        .map((each) => `${each} `)
        .join(""),
    );
    expect([...run.view.steps][0]!.text).toBe(text.join(""));
    expect(proxy.connections).toBeGreaterThan(5);
  });

  it("actions that are cut off on their way take effect once", async () => {
    const proxy = await proxied(port);
    const random = seeded(7);
    // Connecting takes some 450 bytes up; what follows is cut within the questions for the runs, or the actions.
    proxy.cuts = { up: () => 400 + random() * 4000, down: () => 500 + random() * 8000 };
    const one = client(proxy.url);
    const sessionId = `session-${Math.random()}`;
    const runs = await soon(
      Promise.all(upTo(8).map((each) => one.start("confirmed", { message: String(each), sessionId }))),
      "eight starts",
    );
    expect(new Set(runs.map((run) => run.runId)).size).toBe(8);
    await Promise.all(
      runs.map(async (run) => {
        const pending = await pendingOf(run);
        await soon(run.decide(pending, { confirmed: true }), "a decision");
      }),
    );
    for (const run of runs) {
      const events = await allOf(run);
      expect(indexesOf(events)).toEqual(upTo(events.length));
      expect([count(events, "StepContinued"), count(events, "StepStarted"), run.view.status]).toEqual([
        1,
        1,
        "COMPLETED",
      ]);
    }
    const response = await fetch(`${direct}/runs?limit=200`, { headers: { authorization: `Bearer ${ALICE}` } });
    const listed = (await response.json()) as Listed;
    expect(listed.runs.filter((run) => run.session_id === sessionId).length).toBe(8);
    expect(proxy.connections).toBeGreaterThan(3);
  });

  it("a decision that is sent into a dying connection is applied once", async () => {
    const proxy = await proxied(port);
    const run = await client(proxy.url).start("confirmed", { message: "hi" });
    const pending = await pendingOf(run);
    const decided = run.decide(pending, { confirmed: true });
    proxy.cut(); // the frame may have been sent, or not
    await soon(decided, "the decision");
    const events = await allOf(run);
    expect(indexesOf(events)).toEqual(upTo(events.length));
    expect([count(events, "StepContinued"), run.view.status]).toEqual([1, "COMPLETED"]);
  });

  it("a decision that is made while there is no connection is sent when there is one", async () => {
    const proxy = await proxied(port);
    const one = client(proxy.url);
    const run = await one.start("confirmed", { message: "hi" });
    const pending = await pendingOf(run);
    proxy.away = true;
    await eventually(() => one.connection.phase === "offline", "being offline");
    const decided = run.decide(pending, { confirmed: true });
    expect(run.optimistic.status).toBe("RUNNING");
    proxy.away = false;
    await soon(decided, "the decision");
    expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
  });

  it("a decision that somebody was faster with meanwhile is refused on the next connection, and taken back", async () => {
    const proxy = await proxied(port);
    const one = client(proxy.url);
    const run = await one.start("form");
    const pending = await pendingOf(run);
    proxy.away = true;
    await eventually(() => one.connection.phase === "offline", "being offline");
    const decided = refused(run.decide(pending, { user_input: { title: "Otters" } }));
    expect(run.optimistic.pending).toEqual([]);
    await client(direct).decide({ run_id: run.runId, workflow_id: "form" }, pending.id, {
      user_input: { title: "Beavers" },
    });
    proxy.away = false;
    expect(await decided).toMatchObject({ code: "conflict", decision: { user_input: { title: "Beavers" } } });
    expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
    expect(run.optimistic).toBe(run.view);
  });

  it("two clients, one of which is cut again and again, see the same", async () => {
    const proxy = await proxied(port);
    const random = seeded(11);
    proxy.cuts = { down: () => 800 + random() * 10_000 };
    const steady = await client(direct).start("written", { message: "400" });
    const shaken = client(proxy.url).follow(steady.runId);
    const pending = await pendingOf(shaken);
    await soon(shaken.decide(pending, { confirmed: true }), "the decision");
    const [one, other] = await Promise.all([allOf(steady), allOf(shaken)]);
    expect(other).toEqual(one);
    expect(plain(shaken.view.steps)).toEqual(plain(steady.view.steps));
  });

  it("the state of the connection says what is going on", async () => {
    const proxy = await proxied(port);
    const one = client(proxy.url, { backoff: { first: 30, longest: 60 } });
    const run = await one.start("flood", { message: "4000" });
    const states: ConnectionState[] = [];
    one.subscribe(() => states.push(one.connection));
    const who = { account: "default", groups: [], namespaces: ["user_alice"], userId: "alice" };
    expect(one.connection).toEqual({ phase: "live", ...who, scopes: one.connection.scopes });
    await eventually(() => (run.view.lastIndex ?? 0) > 10, "some events");
    proxy.away = true;
    await eventually(() => one.connection.phase === "offline" && one.connection.attempt > 1, "a second try");
    const offline = one.connection;
    expect(offline).toMatchObject({ phase: "offline", userId: "alice" });
    proxy.away = false;
    await soon(run.finished(), "the end");
    await eventually(() => one.connection.phase === "live", "being live");
    const phases = states.map((state) => state.phase).filter((phase, at, all) => phase !== all[at - 1]);
    expect(phases).toEqual(["offline", "replaying", "live"]);
    const left = states.flatMap((state) => (state.phase === "replaying" ? state.left : []));
    expect(left).toEqual([...left].sort((a, b) => b - a));
    expect(left.length).toBeLessThan(700);
  });
});

describe("a server that dies", () => {
  it("is come back to, and the run goes on where it was", async () => {
    const server = await ownServer();
    const one = client(server.url);
    const waiting = await one.start("confirmed", { message: "patience" });
    const streaming = await one.start("stream", { message: "2000" });
    await eventually(
      () => waiting.view.status === "PAUSED" && (streaming.view.lastIndex ?? 0) > 200,
      "both to be under way",
    );
    await server.kill();
    await eventually(() => one.connection.phase === "offline", "being offline");
    const decided = waiting.decide(waiting.view.pending[0]!, { confirmed: true });
    await server.start();
    await soon(decided, "the decision");
    expect((await soon(waiting.finished(), "the end")).status).toBe("COMPLETED");
    const events = await allOf(streaming);
    expect(indexesOf(events)).toEqual(upTo(events.length));
    expect(count(events, "WorkflowRecovered")).toBe(1);
    // What was written before the server died is void: the step began anew.
    const [step] = [...streaming.view.steps];
    expect([step!.attempts.length, streaming.view.recoveries]).toEqual([2, 1]);
    expect(step!.text).toBe(
      upTo(2000)
        .map((each) => `${each} `)
        .join(""),
    );
    expect(step!.pieces.length).toBe(2000);
  });

  it("or is told to stop, says that it is worth coming back", async () => {
    const server = await ownServer();
    const one = client(server.url);
    const run = await one.start("confirmed");
    await pendingOf(run);
    const reasons: string[] = [];
    one.subscribe(() => one.connection.phase === "offline" && reasons.push(one.connection.reason));
    await server.terminate();
    await server.start();
    await eventually(() => one.connection.phase === "live", "being live again");
    await run.cancel();
    expect((await soon(run.finished(), "the end")).status).toBe("CANCELLED");
    expect(reasons[0]).toContain("shutting down");
  });
});

describe("tokens", () => {
  it("one that expires is refreshed on the live connection, and nothing is lost", async () => {
    const proxy = await proxied(port);
    const reasons: string[] = [];
    const token = (reason: string) => {
      reasons.push(reason);
      return jwt("alice", 3);
    };
    const one = client(proxy.url, { token });
    const run = await one.start("stream", { message: "6000" });
    const events = await allOf(run);
    expect(indexesOf(events)).toEqual(upTo(6004));
    expect(reasons[0]).toBe("connecting");
    await eventually(() => reasons.includes("expiring"), "a refresh");
    await one.start("say");
    expect(proxy.connections).toBe(1);
  });

  it("one that has expired is replaced when the server says so, and the action is done", async () => {
    const proxy = await proxied(port);
    const reasons: string[] = [];
    const expiry = Date.now() + 4000;
    const token = async (reason: string) => {
      reasons.push(reason);
      if (reason === "expiring") throw new Error("no network");
      return Promise.resolve(jwt("alice", reason === "connecting" ? (expiry - Date.now()) / 1000 : 60));
    };
    const one = client(proxy.url, { token });
    const run = await one.start("confirmed", { message: "hi" });
    const pending = await pendingOf(run);
    await eventually(() => reasons.includes("expiring"), "a refresh that fails");
    await eventually(() => Date.now() > expiry, "the token to expire");
    await soon(run.decide(pending, { confirmed: true }), "the decision");
    const events = await allOf(run);
    expect(indexesOf(events)).toEqual(upTo(events.length));
    expect(count(events, "StepContinued")).toBe(1);
    expect(reasons).toContain("expired");
    expect(proxy.connections).toBe(1);
  });

  it("one that is refused is replaced, on the same connection", async () => {
    const proxy = await proxied(port);
    const reasons: string[] = [];
    const token = (reason: string) => {
      reasons.push(reason);
      return reason === "refused" ? ALICE : "wrong";
    };
    const one = client(proxy.url, { token });
    await soon(one.ready(), "a connection");
    expect([one.connection.userId, reasons, proxy.connections]).toEqual(["alice", ["connecting", "refused"], 1]);
  });

  it("one that is handed over is used at once, and for new connections", async () => {
    const proxy = await proxied(port);
    const expiry = Date.now() + 3000;
    const one = client(proxy.url, { token: jwt("alice", 3) });
    const run = await one.start("stream", { message: "6000" });
    const { connection } = one;
    await soon(one.authenticate(jwt("alice", 120)), "the token to be accepted");
    expect(indexesOf(await allOf(run))).toEqual(upTo(6004));
    await eventually(() => Date.now() > expiry, "the first token to expire");
    await soon(one.start("say"), "a start");
    expect([proxy.connections, one.connection === connection]).toEqual([1, true]);
    proxy.cut();
    await eventually(() => one.connection.phase === "live" && proxy.connections === 2, "another connection");
  });

  it.each([
    ["wrong", "wrong"],
    ["another user's", BOB],
  ])("one that is handed over and is %s is refused, and the old one stays good", async (_, token) => {
    const proxy = await proxied(port);
    const one = client(proxy.url);
    await soon(one.ready(), "a connection");
    expect(await refused(one.authenticate(token))).toMatchObject({ code: "invalid_token" });
    await soon(one.start("say"), "a start");
    proxy.cut();
    await eventually(() => proxy.connections === 2 && one.connection.phase === "live", "another connection");
    expect(one.connection.userId).toBe("alice");
  });

  it("one that is handed over while there is no connection is used for the next", async () => {
    const proxy = await proxied(port);
    proxy.away = true;
    const one = client(proxy.url, { token: "wrong" });
    const accepted = one.authenticate(ALICE);
    proxy.away = false;
    await soon(accepted, "the token to be accepted");
    expect(one.connection.userId).toBe("alice");
  });

  it("one that is refused there gives way to what there was", async () => {
    const proxy = await proxied(port);
    proxy.away = true;
    const one = client(proxy.url);
    const accepted = one.authenticate("wrong");
    proxy.away = false;
    expect(await refused(accepted)).toMatchObject({ code: "invalid_token" });
    await soon(one.ready(), "a connection");
    expect([one.connection.userId, proxy.connections]).toEqual(["alice", 1]);
  });

  it("one that is handed over is what a client gets that is asking for one", async () => {
    const proxy = await proxied(port);
    const reasons: string[] = [];
    const token = (reason: string) => {
      reasons.push(reason);
      if (reason === "expiring") throw new Error("nobody is there");
      return reason === "connecting" ? jwt("alice", 2) : new Promise<string>(() => undefined);
    };
    const one = client(proxy.url, { token });
    const run = await one.start("confirmed", { message: "hi" });
    const pending = await pendingOf(run);
    await eventually(() => reasons.includes("expired"), "the token to expire");
    await soon(one.authenticate(ALICE), "the token to be accepted");
    await soon(run.decide(pending, { confirmed: true }), "the decision");
    expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
    expect(proxy.connections).toBe(1);
  });

  it("none can be handed over to a client that is closed, or is being closed", async () => {
    const proxy = await proxied(port);
    proxy.away = true;
    const one = client(proxy.url);
    const accepted = one.authenticate(ALICE);
    one.close();
    expect(await refused(accepted)).toMatchObject({ code: "closed" });
    expect(await refused(one.authenticate(ALICE))).toMatchObject({ code: "closed" });
  });

  it("a run that a fresh one doesn't let its bearer read fails, and says why", async () => {
    const one = client(direct);
    const run = await one.start("waits");
    await eventually(() => run.view.lastIndex !== null, "its first event");
    await soon(one.authenticate(jwt("alice", 60, "webhooks:manage")), "the token to be accepted");
    await eventually(() => run.failure?.code === "run_not_found", "the run to fail");
    expect(await refused(allOf(run))).toMatchObject({ code: "run_not_found" });
    await soon(one.authenticate(ALICE), "the token to be accepted");
    await one.follow(run.runId).cancel();
  });

  it("a clock that is ahead doesn't make a client ask for one again and again", async () => {
    const [real, token] = [Date.now.bind(Date), jwt("alice", 60)];
    const clock = vi.spyOn(Date, "now").mockImplementation(() => real() + 59_000);
    const timers = vi.spyOn(globalThis, "setTimeout");
    onTestFinished(() => {
      clock.mockRestore();
      timers.mockRestore();
    });
    const one = client(direct, { token: () => token });
    const waits = () => timers.mock.calls.map(([, delay]) => delay ?? 0);
    await soon(one.ready(), "a connection");
    await eventually(() => waits().includes(5000), "the second token to be given time");
    expect(waits().filter((delay) => delay >= 500 && delay < 5000).length).toBe(1);
  });

  it("when there is none any more, the client ends and says why", async () => {
    const one = client(direct, { token: "wrong" });
    const run = one.follow("run-x");
    expect(await refused(one.ready())).toMatchObject({ code: "invalid_token" });
    expect(one.connection).toMatchObject({ phase: "closed", error: { code: "invalid_token" } });
    expect(await refused(run.ready())).toMatchObject({ code: "invalid_token" });
    expect(await refused(one.start("say"))).toMatchObject({ code: "invalid_token" });
  });

  it("another user's client sees another user's runs", async () => {
    const one = client(direct, { token: BOB });
    await soon(one.ready(), "a connection");
    expect(one.connection.userId).toBe("bob");
  });
});

describe("a page that is reloaded", () => {
  it("goes on where it was, with the view that it had", async () => {
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
      removeItem: (key: string) => void stored.delete(key),
    };
    const before = client(direct, { storage });
    const run = await before.start("written", { message: "600" });
    await eventually(() => (run.view.lastIndex ?? 0) > 100, "some events");
    before.close(); // the page goes, and writes down what it has

    const after = client(direct, { storage });
    expect(after.remembered.map((each) => each.runId)).toEqual([run.runId]);
    const again = after.follow(run.runId, { from: "stored" });
    const place = again.view.lastIndex ?? -1;
    expect(place).toBeGreaterThan(100);
    expect([...again.view.steps][0]!.text).toBe([...run.view.steps][0]!.text);
    const fresh: (number | undefined)[] = [];
    again.onEvent((event) => fresh.push(indexOf(event)));
    const pending = await pendingOf(again);
    await again.decide(pending, { confirmed: true });
    await soon(again.finished(), "the end");
    expect(fresh).toEqual(upTo((again.view.lastIndex ?? 0) + 1).slice(place + 1));

    const whole = client(direct).follow(run.runId);
    await soon(whole.finished(), "the end");
    expect(plain(again.view.steps)).toEqual(plain(whole.view.steps));
    expect(plain(again.view.decisions)).toEqual(plain(whole.view.decisions));
  });

  it("that remembers nothing of a run has it replayed from its start", async () => {
    const storage = { getItem: () => null, setItem: () => undefined, removeItem: () => undefined };
    const one = client(direct, { storage });
    const run = await one.start("say");
    await soon(run.finished(), "the end");
    const again = one.follow(run.runId, { from: "stored" });
    expect(indexesOf(await allOf(again))).toEqual([0, 1, 2, 3]);
  });
});
