/** Who may decide, as far as a client can tell. */

import { expect, it } from "vitest";
import { mayDecide, whyNotAsked } from "../src/index.js";

const [EXECUTE, DECIDE] = ["workflows:execute", "workflows:decide"] as const;

function who(userId: string, ...scopes: string[]) {
  return { userId, scopes: scopes.length > 0 ? scopes : [EXECUTE, DECIDE] };
}

it.each([
  ["the owner decides what names nobody", who("ada"), "ada", undefined, true],
  ["and what names nobody, in a list", who("ada"), "ada", [], true],
  ["others don't", who("bob"), "ada", undefined, false],
  ["who is named does", who("bob"), "ada", ["bob"], true],
  ["the owner who isn't named doesn't", who("ada"), "ada", ["bob"], false],
  ["whether a group is the user's, the server knows", who("ada"), "ada", ["bob", "group:finance"], null],
  ["an admin decides what names nobody", who("root", "admin"), "ada", undefined, true],
  ["but others' decisions only on their behalf", who("root", "admin"), "ada", ["bob"], false],
  ["an owner without the scope doesn't", who("ada", "workflows:read"), "ada", undefined, false],
  ["who is named, without the scope, doesn't", who("bob", EXECUTE), "ada", ["bob"], false],
  ["nor does their group", who("bob", EXECUTE), "ada", ["group:finance"], false],
  ["but the owner does, who is named", who("ada", EXECUTE), "ada", ["ada"], true],
  ["who the owner is isn't always known", who("ada"), null, undefined, null],
  ["nor, at first, who the user is", { userId: null, scopes: [] }, "ada", undefined, null],
])("%s", (_, identity, owner, assignees, may) => {
  expect(mayDecide(identity, owner, assignees)).toBe(may);
});

it.each([
  ["whoever lives where the run is decides what names nobody", ["user_bob", "org_ops"], "org_ops", undefined, true],
  ["and whoever lives everywhere", ["*", "user_bob"], "user_ada", undefined, true],
  ["but not what names others", ["*", "user_bob"], "user_ada", ["eve"], false],
  ["nobody else does", ["user_bob"], "org_ops", undefined, false],
  ["nor where a server doesn't tell", ["user_bob", "org_ops"], null, undefined, false],
])("%s", (_, namespaces, namespace, assignees, may) => {
  expect(mayDecide({ ...who("bob"), namespaces }, "ada", assignees, namespace)).toBe(may);
});

it.each([
  ["a member of the group does", ["ops"], ["bob", "group:ops"], true],
  ["nobody else does", ["dev"], ["bob", "group:ops"], false],
])("where the server tells the groups, %s", (_, groups, assignees, may) => {
  expect(mayDecide({ ...who("eve"), groups }, "ada", assignees)).toBe(may);
});

const chain = { policy: { type: "chain" as const }, voters: ["lea", "group:ops", "max"] };
const byLea = [{ voter: "lea", by: "lea", at: 1, decision: { confirmed: true } }];

it.each([
  ["who was asked may respond", "ana", [], { voters: ["ana"] }, null],
  ["who came later mayn't", "eve", [], { voters: ["ana"] }, "not_asked"],
  ["who started it mayn't", "ada", [], { voters: ["ana"], exclude_starter: true }, "self_approval"],
  ["a chain waits for the first", "ana", ["ops"], chain, "not_your_turn"],
  ["and then for the next", "ana", ["ops"], { ...chain, responses: byLea }, null],
  ["who has responded may think again", "lea", [], { ...chain, responses: byLea }, null],
  ["who is in none of it mayn't", "eve", [], { ...chain, responses: byLea }, "not_asked"],
  ["what nobody decides together is no question of this", "eve", [], {}, null],
] as const)("%s", (_, userId, groups, asked, why) => {
  type Asked = Parameters<typeof whyNotAsked>[1];
  expect(whyNotAsked({ userId, groups }, asked as unknown as Asked, "ada")).toBe(why);
});
