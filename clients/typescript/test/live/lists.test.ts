/** Live lists of runs, on a real server. */

import { expect, inject, it } from "vitest";
import type { RunList } from "../../src/index.js";
import { client, proxied } from "../support/clients.js";
import { ALICE, BOB, jwt, ROOT } from "../support/server.js";
import { eventually, soon } from "../support/waiting.js";

const port = inject("port");
const url = `http://127.0.0.1:${port}`;

function ids(list: RunList): string[] {
  return list.state.runs.map((run) => run.run_id);
}

function live(list: RunList): Promise<boolean> {
  return eventually(() => {
    if (list.state.error !== null) throw list.state.error;
    return list.state.phase === "live";
  }, "the list to be complete");
}

it("a list has the runs that there are, and each one that comes", async () => {
  const one = client(url);
  const first = await one.start("waits");
  await eventually(() => first.view.lastIndex !== null, "its first event");
  const list = one.runs({ filter: { workflow_id: "waits", status: ["RUNNING", "PENDING"] } });
  await live(list);
  await eventually(() => ids(list).includes(first.runId), "the run that there is");
  const second = await one.start("waits");
  await eventually(() => ids(list)[0] === second.runId, "the run that came");
  await first.cancel();
  await second.cancel();
  await eventually(() => !ids(list).includes(first.runId) && !ids(list).includes(second.runId), "both to be off");
});

it("what waits for me comes and goes by itself, also over a connection that is cut", async () => {
  const proxy = await proxied(port);
  const bob = client(proxy.url, { token: BOB });
  const inbox = bob.runs({ filter: { waiting_for_me: true } });
  await live(inbox);
  const alice = client(url, { token: ALICE });
  const run = await alice.start("confirmed-by-bob", { message: "hi" });
  const item = await eventually(
    () => inbox.pending.find((each) => each.run.run_id === run.runId),
    "the question to be in the inbox",
  );
  expect(item.pending).toMatchObject({ kind: "requires_confirmation", confirmation_message: "Say it?" });

  proxy.away = true;
  await eventually(() => bob.connection.phase === "offline", "being offline");
  const other = await alice.start("confirmed-by-bob", { message: "while away" });
  await eventually(() => other.view.status === "PAUSED", "a pause");
  await client(url, { token: ROOT }).cancel({ run_id: run.runId, workflow_id: "confirmed-by-bob" });
  proxy.away = false;
  await eventually(() => ids(inbox).includes(other.runId) && !ids(inbox).includes(run.runId), "what was missed");

  const waiting = inbox.pending.find((each) => each.run.run_id === other.runId)!;
  await bob.decide(waiting.run, waiting.pending.id, { confirmed: true });
  await eventually(() => !ids(inbox).includes(other.runId), "the answered one to be off");
  expect((await soon(other.finished(), "the end")).status).toBe("COMPLETED");
});

it("a list that is closed is told of no more, and its name is free", async () => {
  const one = client(url);
  const list = one.runs({ list: "mine" });
  await live(list);
  expect(() => one.runs({ list: "mine" })).toThrow("there is a list 'mine' already");
  list.close();
  let told = 0;
  list.subscribe(() => (told += 1));
  const again = one.runs({ list: "mine" });
  await live(again);
  const run = await one.start("say");
  await eventually(() => ids(again).includes(run.runId), "the run");
  expect(told).toBe(0);
});

it("a list that the token doesn't allow is taken up with one that does, and the other way round", async () => {
  const one = client(url, { token: jwt("alice", 60, "webhooks:manage") });
  const list = one.runs();
  const failed = () => eventually(() => list.state.phase === "failed" && list.state.error, "the list to be refused");
  const served = () => eventually(() => list.state.phase === "live", "the list to be complete");
  expect(await failed()).toMatchObject({ code: "forbidden" });
  await soon(one.authenticate(ALICE), "the token to be accepted");
  await served();
  const run = await one.start("say");
  await eventually(() => ids(list).includes(run.runId), "the run");
  expect(list.state.error).toBeNull();
  await soon(one.authenticate(jwt("alice", 60, "webhooks:manage")), "the token to be accepted");
  expect(await failed()).toMatchObject({ code: "forbidden" });
  await soon(one.authenticate(ALICE), "the token to be accepted");
  await served();
});

it("with a fresh token a list has what this token sees", async () => {
  const bob = client(url, { token: BOB });
  const bobs = await bob.start("confirmed");
  const his = bob.runs({ filter: { status: ["PAUSED"] } });
  await eventually(() => ids(his).includes(bobs.runId), "the run to wait, and nothing more to change of it");
  const one = client(url, { token: jwt("root", 60) });
  const list = one.runs({ filter: { workflow_id: "confirmed" } });
  await live(list);
  expect(ids(list)).not.toContain(bobs.runId);
  await soon(one.authenticate(ROOT), "the token to be accepted");
  await eventually(() => ids(list).includes(bobs.runId), "the run that only an admin sees");
  await bobs.cancel();
});
