import { expect, test } from "vitest";
import { addressOf, EVERYTHING } from "../../src/inbox/items.ts";
import { partsOf } from "../../src/ui/address.ts";

test.each([
  ["", "/", ""],
  ["#/inbox", "/inbox", ""],
  ["#/inbox?tab=mine&search=a", "/inbox", "tab=mine&search=a"],
  ["#/runs/team:tell?/run-1", "/runs/team:tell?/run-1", ""],
  ["#/machines/why?", "/machines/why?", ""],
])("of %s the path is %s, and %j is asked for", (hash, path, search) => {
  expect(partsOf(hash)).toEqual({ path, search });
});

test("whatever is searched for is read back from the address", () => {
  const search = addressOf({ ...EVERYTHING, search: "a/b?c=d & e#f" });
  expect(partsOf(`#/inbox?${search}`)).toEqual({ path: "/inbox", search });
});
