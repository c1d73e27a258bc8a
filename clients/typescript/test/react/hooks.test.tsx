// @vitest-environment jsdom
/** The hooks, on a real server. */

import { act, cleanup, render, renderHook, waitFor } from "@testing-library/react";
import { StrictMode, type ReactNode } from "react";
import { afterEach, expect, inject, it, vi } from "vitest";
import type { Client, InterlockError } from "../../src/index.js";
import { textOf } from "../../src/index.js";
import { InterlockProvider, useInterlock, usePending, useRun, useRuns } from "../../src/react/index.js";
import { client, proxied } from "../support/clients.js";
import { upTo } from "../support/numbers.js";
import { BOB } from "../support/server.js";
import { eventually, PATIENCE, refused } from "../support/waiting.js";

const port = inject("port");
const url = `http://127.0.0.1:${port}`;
const patience = { timeout: PATIENCE };

afterEach(cleanup);

function around(one: Client, strict = false) {
  return function Page({ children }: { children: ReactNode }) {
    const page = <InterlockProvider client={one}>{children}</InterlockProvider>;
    return strict ? <StrictMode>{page}</StrictMode> : page;
  };
}

it("the state of the connection is shown as it changes", async () => {
  const proxy = await proxied(port);
  const one = client(proxy.url);
  const { result } = renderHook(() => useInterlock(), { wrapper: around(one) });
  expect([result.current.client, result.current.connection.phase]).toEqual([one, "connecting"]);
  await waitFor(() => expect(result.current.connection).toMatchObject({ phase: "live", userId: "alice" }), patience);
  act(() => void (proxy.away = true));
  await waitFor(() => expect(result.current.connection.phase).toBe("offline"), patience);
  act(() => void (proxy.away = false));
  await waitFor(() => expect(result.current.connection.phase).toBe("live"), patience);
});

it("a hook outside of a provider says what is missing", () => {
  const silence = vi.spyOn(console, "error").mockImplementation(() => undefined);
  expect(() => renderHook(() => useInterlock())).toThrow("<InterlockProvider");
  silence.mockRestore();
});

it("a run that streams is drawn at most once in a frame", async () => {
  const one = client(url);
  const { runId } = await one.start("flood", { message: "5000" });
  const frames = vi.spyOn(globalThis, "requestAnimationFrame");
  let drawn = 0;
  const { result } = renderHook(() => (drawn++, useRun(runId)), { wrapper: around(one) });
  await waitFor(() => expect(result.current.view.status).toBe("COMPLETED"), patience);
  expect(textOf([...result.current.view.steps][0]!)).toBe(
    upTo(5000)
      .map((each) => `${each} `)
      .join(""),
  );
  expect(frames.mock.calls.length).toBeGreaterThan(0);
  expect(drawn).toBeLessThanOrEqual(frames.mock.calls.length + 3); // once before it is mounted, and once when it is
  expect(drawn).toBeLessThan(1000);
  frames.mockRestore();
});

it("a decision counts at once, and is taken back when it is refused", async () => {
  const one = client(url);
  const run = await one.start("form");
  await eventually(() => run.view.status === "PAUSED", "a pause");
  const { result } = renderHook(() => useRun(run.runId), { wrapper: around(one) });
  await waitFor(() => expect(result.current.view.pending.length).toBe(1), patience);
  const [pending] = result.current.view.pending;

  const shown: string[] = [];
  const watch = run.subscribe(() => shown.push(run.optimistic.status));
  let error: unknown;
  await act(async () => {
    error = await refused(result.current.decide(pending!, { user_input: { count: "many" } }));
  });
  expect((error as InterlockError).code).toBe("invalid_decision");
  expect(shown).toEqual(["RUNNING", "PAUSED"]);
  await waitFor(
    () => expect(result.current.view).toMatchObject({ status: "PAUSED", pending: [{ id: pending!.id }] }),
    patience,
  );
  watch();

  await act(() => result.current.decide(pending!, { user_input: { title: "Otters" } }));
  await waitFor(() => expect(result.current.view.status).toBe("COMPLETED"), patience);
  expect(result.current.view.pending).toEqual([]);
});

it("what was decided isn't shown as waiting while there is no connection", async () => {
  const proxy = await proxied(port);
  const one = client(proxy.url);
  const run = await one.start("confirmed", { message: "hi" });
  const { result } = renderHook(() => useRun(run.runId), { wrapper: around(one) });
  await waitFor(() => expect(result.current.view.status).toBe("PAUSED"), patience);
  act(() => void (proxy.away = true));
  const decided = result.current.decide(result.current.view.pending[0]!, { confirmed: true });
  await waitFor(() => expect(result.current.view).toMatchObject({ status: "RUNNING", pending: [] }), patience);
  proxy.away = false;
  await act(() => decided);
  await waitFor(() => expect(result.current.view.status).toBe("COMPLETED"), patience);
});

it("components share a run, and it is left after the last of them", async () => {
  const starter = client(url);
  const { runId, cancel } = await starter
    .start("waits")
    .then((run) => ({ runId: run.runId, cancel: () => run.cancel() }));
  const one = client(url);
  const Show = ({ name }: { name: string }) => <p>{`${name} ${useRun(runId).view.status}`}</p>;
  const page = (names: string[]) => names.map((name) => <Show key={name} name={name} />);
  const { findByText, rerender, unmount } = render(page(["a", "b"]), { wrapper: around(one, true) });
  await findByText("a RUNNING", {}, patience);
  await findByText("b RUNNING", {}, patience);
  const run = one.run(runId);
  rerender(page(["b"]));
  rerender(page(["b", "c"]));
  await findByText("c RUNNING", {}, patience);
  expect(one.run(runId)).toBe(run);
  unmount();
  await eventually(() => one.run(runId) === undefined, "the run to be left");
  await cancel();
});

it("a component that asks for another beginning than the others is told so, until they are gone", async () => {
  const { runId } = await client(url).start("confirmed");
  const one = client(url);
  const Show = ({ name, from }: { name: string; from?: "start" | "snapshot" }) => {
    const { view, error } = useRun(runId, from ? { from } : {});
    return <p>{`${name} ${error?.code ?? `${view.status} ${view.snapshotAsOf === null ? "whole" : "short"}`}`}</p>;
  };
  const { findByText, rerender } = render(<Show key="a" name="a" from="snapshot" />, { wrapper: around(one, true) });
  await findByText("a PAUSED short", {}, patience);
  rerender([
    <Show key="a" name="a" from="snapshot" />,
    <Show key="b" name="b" from="start" />,
    <Show key="c" name="c" />,
  ]);
  await findByText("b misuse", {}, patience);
  await findByText("c PAUSED short", {}, patience);
  await findByText("a PAUSED short", {}, patience);
  rerender([]);
  rerender(<Show key="d" name="d" from="start" />);
  await findByText("d PAUSED whole", {}, patience);
  await client(url).cancel({ run_id: runId, workflow_id: "confirmed" });
});

it("a run that the program leaves is followed on, as long as a component shows it", async () => {
  const one = client(url);
  const run = await one.start("confirmed");
  const Show = ({ name }: { name: string }) => <p>{`${name} ${useRun(run.runId).view.status}`}</p>;
  const page = [<Show key="a" name="a" />, <Show key="b" name="b" />];
  const { findByText, unmount } = render(page, { wrapper: around(one) });
  await findByText("a PAUSED", {}, patience);
  act(() => run.unfollow());
  await client(url).cancel({ run_id: run.runId, workflow_id: "confirmed" });
  await findByText("a CANCELLED", {}, patience);
  await findByText("b CANCELLED", {}, patience);
  unmount();
});

it("a run that can't be followed says why", async () => {
  const one = client(url);
  const { result } = renderHook(() => useRun("run-that-never-was"), { wrapper: around(one) });
  await waitFor(() => expect(result.current.error?.code).toBe("run_not_found"), patience);
});

it("without an id nothing is followed, and with another id another run", async () => {
  const one = client(url);
  const runs = await Promise.all(["x", "y"].map((message) => one.start("say", { message })));
  const { result, rerender } = renderHook(({ id }: { id: string | null }) => useRun(id), {
    wrapper: around(one),
    initialProps: { id: null as string | null },
  });
  expect([result.current.run, result.current.view.status]).toEqual([undefined, "PENDING"]);
  expect(await refused(result.current.cancel())).toMatchObject({ code: "misuse" });
  rerender({ id: runs[0]!.runId });
  await waitFor(() => expect(result.current.view.output).toBe("said x"), patience);
  rerender({ id: runs[1]!.runId });
  await waitFor(() => expect(result.current.view.output).toBe("said y"), patience);
});

it("what waits for me is shown, is gone as soon as it is answered, and is back when that is refused", async () => {
  const proxy = await proxied(port);
  const bob = client(proxy.url, { token: BOB });
  const { result } = renderHook(() => usePending(), { wrapper: around(bob) });
  await waitFor(() => expect(result.current.loading).toBe(false), patience);
  const run = await client(url).start("confirmed-by-bob", { message: "hi" });
  const mine = () => result.current.pending.filter((item) => item.run.run_id === run.runId);
  await waitFor(() => expect(mine().length).toBe(1), patience);
  const [item] = mine();

  proxy.away = true;
  const error = refused(result.current.decide(item!, { selected_choices: ["none"] }));
  await waitFor(() => expect(mine()).toEqual([]), patience);
  proxy.away = false;
  expect(await error).toMatchObject({ code: "invalid_decision" });
  await waitFor(() => expect(mine().length).toBe(1), patience);

  await act(() => result.current.decide(item!, { confirmed: true }));
  await waitFor(() => expect(mine()).toEqual([]), patience);
});

it("what a run asks of others, or of a group that I'm not in, isn't among what waits for me", async () => {
  const bob = client(url, { token: BOB });
  const run = await client(url).start("shared", { message: "hi" });
  await eventually(() => run.view.pending.length === 3, "three questions");
  const { result } = renderHook(() => usePending(), { wrapper: around(bob) });
  const mine = () => result.current.pending.filter((item) => item.run.run_id === run.runId);
  await waitFor(() => expect(mine().length).toBeGreaterThan(0), patience);
  expect(mine()[0]!.run.pending.length).toBe(3);
  const names = mine().map(({ pending }) => pending.step_name);
  expect(names).toEqual(["bobs"]);
  await run.cancel();
});

it("runs are shown as they come and go", async () => {
  const one = client(url);
  const { result } = renderHook(() => useRuns({ workflow_id: "waits", status: ["RUNNING"] }), { wrapper: around(one) });
  await waitFor(() => expect(result.current.phase).toBe("live"), patience);
  const run = await one.start("waits");
  const has = () => result.current.runs.some((each) => each.run_id === run.runId);
  await waitFor(() => expect(has()).toBe(true), patience);
  await act(() => run.cancel());
  await waitFor(() => expect(has()).toBe(false), patience);
});
