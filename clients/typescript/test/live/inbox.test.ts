/** Inboxes, on a real server. */

import { expect, inject, it } from "vitest";
import { followInbox, type Inbox, type InboxQuestion } from "../../src/inbox.js";
import type { InterlockError } from "../../src/index.js";
import { client, proxied } from "../support/clients.js";
import { ALICE, BOB, ROOT } from "../support/server.js";
import { eventually, refused, soon } from "../support/waiting.js";

const port = inject("port");
const url = `http://127.0.0.1:${port}`;
const filter = { workflow_id: "confirmed-by-bob" };

function of(inbox: Inbox, runId: string): InboxQuestion | undefined {
  return inbox.state.questions.find((each) => each.item.run_id === runId);
}

const asked = (inbox: Inbox, runId: string) => eventually(() => of(inbox, runId), "the question to be there");

it("a question comes, is looked at, half-written, answered, and goes on every device", async () => {
  const [desk, phone] = [client(url, { token: BOB }), client(url, { token: BOB })];
  const [one, two] = [followInbox(desk, { filter }), followInbox(phone, { filter })];
  const run = await client(url, { token: ALICE }).start("confirmed-by-bob", { message: "hi" });
  const question = await asked(one, run.runId);
  expect(question).toMatchObject({ people: [], draft: undefined });
  expect(question.item).toMatchObject({ kind: "confirmation", message: "Say it?", assignees: ["bob"] });
  const { id } = await asked(two, run.runId);
  expect(id).toBe(question.id);

  await one.seen(id);
  const lookAway = one.look(id);
  await eventually(() => one.question(id)?.people.join() === "bob", "to be seen looking");
  await one.saveDraft(id, { comment: "Hm" });
  expect(one.question(id)?.draft).toEqual({ comment: "Hm" });
  await eventually(() => two.question(id)?.draft !== undefined, "the draft on the other device");
  await two.saveDraft(id, null);
  await eventually(() => one.question(id)?.draft === undefined, "the draft to be thrown away");
  lookAway();
  expect(one.question(id)?.people).toEqual([]);

  await one.claim(id);
  await one.release(id);
  await two.respond(id, { confirmed: true });
  expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
  await eventually(() => of(one, run.runId) === undefined, "it to be gone");
  expect(((await refused(one.respond(id, { confirmed: false }))) as InterlockError).code).toMatch(
    /conflict|run_finished/,
  );
  one.close();
});

it("after a cut an inbox has what has changed and what has stayed, and is seen to look again", async () => {
  const proxy = await proxied(port);
  const bob = client(proxy.url, { token: BOB });
  const inbox = followInbox(bob, { filter });
  const alice = client(url, { token: ALICE });
  const [kept, gone] = [await alice.start("confirmed-by-bob"), await alice.start("confirmed-by-bob")];
  const { id } = await asked(inbox, kept.runId);
  await asked(inbox, gone.runId);
  inbox.look(id);
  await eventually(() => inbox.question(id)?.people.length === 1, "to be seen looking");
  const before = inbox.question(id)!.item;

  proxy.away = true;
  await eventually(() => bob.connection.phase === "offline", "being offline");
  const root = client(url, { token: ROOT });
  await root.cancel({ run_id: gone.runId, workflow_id: "confirmed-by-bob" });
  const came = await alice.start("confirmed-by-bob");
  await eventually(() => came.view.status === "PAUSED", "a pause");
  proxy.away = false;
  await asked(inbox, came.runId);
  await eventually(() => of(inbox, gone.runId) === undefined, "what is over to be gone");
  expect(inbox.question(id)?.item).toBe(before);
  await eventually(() => inbox.question(id)?.people.join() === "bob", "to be seen looking again");
  inbox.close();
});
