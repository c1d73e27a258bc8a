import { expect, test } from "vitest";
import type { PendingItem } from "@interlock/client";
import { eachDecided } from "../src/inbox/bulk.tsx";
import {
  addressOf,
  askedBy,
  byUrgency,
  EVERYTHING,
  inGroups,
  isAskedFor,
  itemOf,
  takesYesOrNo,
} from "../src/inbox/items.ts";

const BOB = { userId: "bob", groups: ["ops"] };
const named = (id: string) => `The ${id}`;

function item(pending: object = {}, run: object = {}) {
  const whole = {
    run: { run_id: "r", workflow_id: "deploy", user_id: "alice", created_at: 1, pending: [], ...run },
    pending: {
      id: "q",
      step_name: "ship",
      kind: "requires_confirmation",
      confirmation_message: "Ship it?",
      ...pending,
    },
  };
  return itemOf(whole as unknown as PendingItem, BOB);
}

test.each([
  [["bob"], "alice", "mine"],
  [["group:ops"], "alice", "groups"],
  [["group:ops", "bob"], "alice", "mine"],
  [["group:finance"], "bob", "others"],
  [[], "bob", "mine"],
  [[], "alice", "others"],
])("what names %j in a run of %s is %s", (assignees, user_id, scope) => {
  expect(item({ assignees }, { user_id }).scope).toBe(scope);
});

test("an item has the address of its requirement", () => {
  expect(item().interaction_id).toBe("q.r");
});

test("what is asked for survives the address, and nonsense in it is left out", () => {
  const asked = { ...EVERYTHING, tab: "groups", search: "ä & b", group: "kind", namespace: "eu/x" } as const;
  expect(askedBy(addressOf(asked))).toEqual(asked);
  expect(addressOf(EVERYTHING)).toBe("");
  expect(askedBy("tab=nonsense&group=nothing&other=1")).toEqual(EVERYTHING);
});

test.each([
  [{ search: "ship DEPLOY" }, true],
  [{ search: "alice" }, true],
  [{ search: "ship bread" }, false],
  [{ tab: "mine" }, false],
  [{ workflow: "deploy", kind: "requires_confirmation" }, true],
  [{ workflow: "other" }, false],
  [{ namespace: "eu" }, false],
] as const)("whether %j finds it: %s", (asked, finds) => {
  expect(isAskedFor(item({ assignees: ["group:ops"] }), { ...EVERYTHING, ...asked }, named)).toBe(finds);
});

test("the nearest deadline comes first, then the newest", () => {
  const late = item({ id: "late", due_at: "2030-01-02T00:00:00Z", timeout_at: "2029-01-01T00:00:00Z" });
  const soon = item({ id: "soon", timeout_at: "2030-01-01T00:00:00Z" });
  const old = item({ id: "old" });
  const young = item({ id: "young" }, { created_at: 2 });
  const order = [old, late, young, soon].sort(byUrgency).map((each) => each.requirement_id);
  expect(order).toEqual(["soon", "late", "young", "old"]);
});

test("items stand under headings in the order of their first", () => {
  const items = [item({ id: "a" }), item({ id: "b" }, { workflow_id: "other" }), item({ id: "c" })];
  const groups = inGroups(items, "workflow", named).map(([name, found]) => [
    name,
    found.map((each) => each.requirement_id),
  ]);
  expect(groups).toEqual([["The deploy", ["a", "c"]], ["The other", ["b"]]]); // prettier-ignore
  expect(inGroups(items, "none", named)).toHaveLength(1);
});

test("only what a plain yes or no answers can be decided in bulk", () => {
  expect(takesYesOrNo(item())).toBe(true);
  expect(takesYesOrNo(item({ kind: "requires_user_input" }))).toBe(false);
});

test("what is refused in bulk is told with its reason, and keeps none of the others from being decided", async () => {
  const chosen = ["a", "b", "c"].map((id) => ({ item: item({ id }), waits: { pending: { id } } as PendingItem }));
  const decided: string[] = [];
  const failed = await eachDecided(chosen, ({ pending }) => {
    if (pending.id === "b") return Promise.reject(new Error("It is too late."));
    decided.push(pending.id);
    return Promise.resolve();
  });
  expect(decided).toEqual(["a", "c"]);
  expect(failed.map(({ item, why }) => [item.requirement_id, why])).toEqual([["b", "It is too late."]]);
});
