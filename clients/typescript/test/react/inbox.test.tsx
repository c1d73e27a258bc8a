// @vitest-environment jsdom
/** The hooks of the inbox, on a real server. */

import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, expect, inject, it } from "vitest";
import type { Client } from "../../src/index.js";
import { InterlockProvider, useInbox, useInteraction } from "../../src/react/index.js";
import { client } from "../support/clients.js";
import { ALICE, BOB } from "../support/server.js";
import { PATIENCE } from "../support/waiting.js";

const url = `http://127.0.0.1:${inject("port")}`;
const patience = { timeout: PATIENCE };

afterEach(cleanup);

function around(one: Client) {
  return ({ children }: { children: ReactNode }) => <InterlockProvider client={one}>{children}</InterlockProvider>;
}

it("what waits is shown, and one question is looked at, drafted and answered", async () => {
  const bob = client(url, { token: BOB });
  const run = await client(url, { token: ALICE }).start("confirmed-by-bob", { message: "hook" });
  const inbox = renderHook(() => useInbox(), { wrapper: around(bob) });
  const find = () => inbox.result.current.questions.find((each) => each.item.run_id === run.runId);
  await waitFor(() => expect(find()).toBeDefined(), patience);
  const id = find()!.id;

  const one = renderHook(() => useInteraction(id), { wrapper: around(bob) });
  await waitFor(() => expect(one.result.current.question?.people).toEqual(["bob"]), patience);
  expect(one.result.current.others).toEqual([]);
  await act(() => one.result.current.saveDraft("half"));
  await waitFor(() => expect(one.result.current.question?.draft).toBe("half"), patience);
  await act(() => one.result.current.respond({ confirmed: true }));
  await waitFor(() => expect(one.result.current.question).toBeUndefined(), patience);
  await waitFor(() => expect(find()).toBeUndefined(), patience);
});
