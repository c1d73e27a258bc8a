/** What an inbox knows, message by message. */

import { expect, it } from "vitest";
import type { Client } from "../src/client.js";
import { Inbox } from "../src/inbox.js";
import type { InboxItem } from "../src/protocol.js";

interface Said {
  action: string;
  revision?: number;
  looking?: boolean;
}

function made() {
  const said: Said[] = [];
  const client = { act: (action: Said) => Promise.resolve(void said.push(action)), endLive: () => undefined };
  const inbox = new Inbox(client as unknown as Client, { limit: 5 });
  follow(inbox);
  return { inbox, said };
}

function follow(inbox: Inbox) {
  const asked = inbox.ask("1");
  inbox.acknowledged();
  return asked;
}

const item = (name: string, at = 1) =>
  ({ interaction_id: `q.${name}`, run_id: name, created_at: at, kind: "confirmation" }) as unknown as InboxItem;
const told = (seq: number, name: string, at?: number) =>
  ({ event: "inbox_changed", list: "l", seq, interaction_id: `q.${name}`, item: item(name, at) }) as const;
const gone = (seq: number, name: string) =>
  ({ event: "inbox_changed", list: "l", seq, interaction_id: `q.${name}`, gone: true }) as const;
const listed = (seq: number, changed?: string[]) =>
  ({
    event: "inbox_listed",
    list: "l",
    seq,
    count: 0,
    more: false,
    resumed: changed !== undefined,
    ...(changed === undefined ? {} : { changed_runs: changed }),
  }) as const;
const draft = (revision: number, content?: string) =>
  ({ event: "inbox_draft", interaction_id: "q.a", revision, ...(content === undefined ? {} : { content }) }) as const;

const ids = (inbox: Inbox) => inbox.state.questions.map((each) => each.id);

it("is whole when it is listed, newest first, and changes one by one", () => {
  const { inbox } = made();
  for (const message of [told(0, "a", 1), told(0, "b", 2)]) inbox.receive(message);
  expect(inbox.state).toMatchObject({ questions: [], phase: "loading" });
  inbox.receive(listed(7));
  expect([ids(inbox), inbox.state.phase]).toEqual([["q.b", "q.a"], "live"]);
  const before = inbox.state;
  inbox.receive(gone(8, "nobody"));
  expect(inbox.state).toBe(before);
  inbox.receive(told(9, "c", 3));
  inbox.receive(gone(10, "b"));
  expect(ids(inbox)).toEqual(["q.c", "q.a"]);
});

it("goes on from its highest seq, and keeps what hasn't changed", () => {
  const { inbox } = made();
  for (const message of [told(0, "a"), told(0, "b"), told(0, "c"), listed(7), told(9, "d")]) inbox.receive(message);
  expect(inbox.ask("2")).toMatchObject({ action: "follow-inbox", cursor: 9, limit: 5 });
  inbox.receive(gone(10, "a")); // stale: it may be the answer to what was asked before
  inbox.acknowledged();
  for (const message of [told(0, "b"), told(0, "e"), listed(20, ["b", "c", "e"])]) inbox.receive(message);
  expect([...ids(inbox)].sort()).toEqual(["q.a", "q.b", "q.d", "q.e"]);
  follow(inbox);
  for (const message of [told(0, "z"), listed(30)]) inbox.receive(message);
  expect(ids(inbox)).toEqual(["q.z"]);
});

it("has the draft of the highest revision, also where it comes before its question", async () => {
  const { inbox, said } = made();
  inbox.receive(draft(3, "three"));
  for (const message of [told(0, "a"), listed(7)]) inbox.receive(message);
  expect(inbox.question("q.a")?.draft).toBe("three");
  await inbox.saveDraft("q.a", "four");
  expect(said.at(-1)).toMatchObject({ action: "draft", revision: 4, content: "four" });
  inbox.receive(draft(2, "two"));
  expect(inbox.question("q.a")?.draft).toBe("four");
  inbox.receive(draft(5));
  expect(inbox.question("q.a")?.draft).toBeUndefined();
});

it("looks once, however many look here, and again on the next connection", () => {
  const { inbox, said } = made();
  for (const message of [told(0, "a"), listed(7)]) inbox.receive(message);
  const [one, two] = [inbox.look("q.a"), inbox.look("q.a")];
  one();
  one();
  expect(said.map((each) => each.looking)).toEqual([true]);
  inbox.receive({ event: "inbox_presence", interaction_id: "q.a", people: ["ada", "bob"] });
  expect(inbox.question("q.a")?.people).toEqual(["ada", "bob"]);
  follow(inbox);
  two();
  expect(said.map((each) => each.looking)).toEqual([true, true, false]);
  expect(inbox.question("q.a")?.people).toEqual([]);
});
