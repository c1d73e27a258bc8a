/** The pure parts of the inbox and the palette: where one goes on, what is found, what is asked by hand, the server's clock. */

import { expect, test } from "vitest";
import type { RunSummary } from "@interlock/client";
import { bodyOf, missingIn, type Draft } from "../src/inbox/asking.ts";
import { addressOfItem, itemIn, nextAfter } from "../src/inbox/items.ts";
import { firstWithNews } from "../src/inbox/older.ts";
import { foundIn } from "../src/palette/found.ts";
import { clockAhead } from "../src/session/clock.ts";

test.each<[string, string[], string | null]>([
  ["a", ["a", "b", "c"], "b"],
  ["b", ["a", "c"], "c"],
  ["c", ["a", "b"], "a"],
  ["c", [], null],
  ["gone", ["b"], "b"],
])("after %s, of %j that wait, comes %s", (id, waiting, next) => {
  expect(nextAfter(id, ["a", "b", "c"], (each) => waiting.includes(each))).toBe(next);
});

test("an item is found by its address, whatever its id has", () => {
  const id = "req/1 ü.run?2";
  expect(itemIn(addressOfItem(id).replace("/inbox?", ""))).toBe(id);
});

test("older runs are looked for from the beginning, past the pages that are listed", async () => {
  const pages = [["a", "b"], ["c", "d"], ["e"]];
  const pageAfter = (cursor: string | null) => {
    const place = Number(cursor ?? 0);
    const runs = (pages[place] ?? []).map((run_id) => ({ run_id }) as RunSummary);
    return Promise.resolve({ runs, next_cursor: place + 1 < pages.length ? String(place + 1) : null });
  };
  const found = async (listed: string) => {
    const { runs, more } = await firstWithNews(pageAfter, (id) => listed.includes(id));
    return [runs.map((run) => run.run_id).join(""), more];
  };
  expect(await found("ab")).toEqual(["cd", true]);
  expect(await found("abc")).toEqual(["cd", true]);
  expect(await found("abcd")).toEqual(["e", false]);
  expect(await found("abcde")).toEqual(["e", false]);
});

const entry = (name: string, hint?: string) => ({ id: name, name, hint });

test("every word has to be found, and what begins so comes first", () => {
  const sections = [
    { id: "a", title: "A", entries: [entry("The deploy"), entry("Deploy", "to the moon"), entry("Nothing")] },
    { id: "b", title: "B", entries: [entry("Other")] },
  ];
  expect(foundIn(sections, "deploy").map(({ entries }) => entries.map(({ name }) => name))).toEqual([
    ["Deploy", "The deploy"],
  ]);
  expect(foundIn(sections, "MOON deploy")[0]?.entries.map(({ name }) => name)).toEqual(["Deploy"]);
  expect(foundIn(sections, "").map(({ id }) => id)).toEqual(["a", "b"]);
});

const DRAFT: Draft = {
  project: "acme",
  to: "ana",
  everybody: false,
  way: "confirm",
  title: "",
  message: "Ship it?",
  options: "",
  priority: "normal",
  hours: 0,
};

test.each([
  [{}, null],
  [{ to: " " }, "Say whom it is for."],
  [{ message: "" }, "Write what is asked."],
  [{ way: "select", options: "train\ntrain\n" }, "Give two options at least, one a line."],
  [{ to: "group:ops", everybody: true }, "Say how long everybody has to respond."],
  [{ project: "" }, "Say in which project it is asked."],
] as const)("of a question with %j is missing: %s", (part, missing) => {
  expect(missingIn({ ...DRAFT, ...part })).toBe(missing);
});

test("a question is sent with the type that fits how it is answered, and how a group decides", () => {
  expect(bodyOf(DRAFT, 0)).toMatchObject({ type: "approval", target_actor: { type: "member", id: "ana" } });
  const asked = { ...DRAFT, to: "group:ops", everybody: true, way: "select", options: "a\n b \n", hours: 1 } as const;
  expect(bodyOf(asked, 0)).toMatchObject({
    type: "review",
    spec: { mode: "select", options: [{ value: "a" }, { value: "b" }] },
    target_actor: { type: "group", id: "ops" },
    routing: "all_members",
    expires_at: "1970-01-01T01:00:00.000Z",
  });
});

test.each([
  ["Thu, 01 Jan 1970 00:00:10 GMT", 10_100, 10_300, 0],
  ["Thu, 01 Jan 1970 00:00:10 GMT", 70_000, 70_200, -59_600],
  ["Thu, 01 Jan 1970 00:01:10 GMT", 10_000, 10_200, 60_400],
  [null, 0, 0, 0],
  ["nonsense", 0, 0, 0],
])("a server that says %s between %d and %d is ahead by %d ms", (date, sent, came, ahead) => {
  expect(clockAhead(date, sent, came)).toBe(ahead);
});
