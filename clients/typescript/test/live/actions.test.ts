/** Starting, following, deciding and cancelling, on a real server. */

import { describe, expect, inject, it } from "vitest";
import { InterlockError, textOf, type RunView } from "../../src/index.js";
import { msgpack } from "../../src/msgpack.js";
import { allOf, client, indexesOf, namesOf } from "../support/clients.js";
import { upTo } from "../support/numbers.js";
import { BOB } from "../support/server.js";
import { eventually, refused, soon } from "../support/waiting.js";

const url = `http://127.0.0.1:${inject("port")}`;

function paused(run: { view: RunView }): Promise<boolean> {
  return eventually(() => run.view.status === "PAUSED", "a pause");
}

describe.each([
  ["json", {}],
  ["msgpack", { codec: msgpack }],
])("over %s", (_, options) => {
  it("a run is started, and its events come in order up to the last", async () => {
    const run = await client(url, options).start("say", { message: "hello" });
    const events = await allOf(run);
    expect(namesOf(events)).toEqual(["WorkflowStarted", "StepStarted", "StepCompleted", "WorkflowCompleted"]);
    expect(indexesOf(events)).toEqual([0, 1, 2, 3]);
    expect([run.view.status, run.view.output, run.view.input]).toEqual(["COMPLETED", "said hello", "hello"]);
  });

  it("what a step writes is put together", async () => {
    const run = await client(url, options).start("stream", { message: "300" });
    await soon(run.finished(), "the end");
    const [step] = [...run.view.steps];
    expect(textOf(step!)).toBe(
      upTo(300)
        .map((each) => `${each} `)
        .join(""),
    );
    expect(step!.pieces.length).toBe(300);
  });
});

describe("decisions", () => {
  it("a confirmation lets the run go on", async () => {
    const run = await client(url).start("confirmed", { message: "hi" });
    await paused(run);
    const [pending] = run.view.pending;
    expect(pending).toMatchObject({
      kind: "confirmation",
      whole: true,
      requirement: { confirmation_message: "Say it?" },
    });
    await run.decide(pending!, { confirmed: true });
    const view = await soon(run.finished(), "the end");
    expect(view.status).toBe("COMPLETED");
    expect([...view.decisions]).toMatchObject([
      { resolvedBy: "alice", kind: "confirmation", decision: { confirmed: true } },
    ]);
  });

  it("each kind of question takes its answer", async () => {
    const one = client(url);
    const form = await one.start("form");
    await paused(form);
    await form.decide(form.view.pending[0]!, { user_input: { title: "Otters" } });
    expect((await soon(form.finished(), "the end")).status).toBe("COMPLETED");

    const routes = await one.start("routes");
    await paused(routes);
    await routes.decide(routes.view.pending[0]!, { selected_choices: ["deep"] });
    const routed = await soon(routes.finished(), "the end");
    expect([...routed.steps].map((step) => [step.name, step.state])).toEqual([
      ["route", "completed"],
      ["deep", "completed"],
    ]);

    const review = await one.start("reviewed", { message: "a" });
    await paused(review);
    expect(review.view.pending[0]).toMatchObject({ kind: "output_review", requirement: { step_output: "said a" } });
    await review.decide(review.view.pending[0]!, { confirmed: true, edited_output: "b" });
    expect((await soon(review.finished(), "the end")).output).toBe("b");

    const mended = await one.start("mended");
    await paused(mended);
    expect(mended.view.pending[0]).toMatchObject({
      kind: "error_decision",
      requirement: { error_message: "the printer is on fire", error_type: "RuntimeError" },
    });
    await mended.decide(mended.view.pending[0]!, { decision: "retry" });
    expect((await soon(mended.finished(), "the end")).output).toBe("printed");
  });

  it("a decision that doesn't fit is refused, with each wrong field", async () => {
    const run = await client(url).start("form");
    await paused(run);
    const error = await refused(run.decide(run.view.pending[0]!, { user_input: { count: "three" } }));
    expect(error).toBeInstanceOf(InterlockError);
    expect(error).toMatchObject({ code: "invalid_decision", retryable: false });
    expect((error as InterlockError).fields.length).toBeGreaterThan(0);
    await run.cancel();
  });

  it("a second decision that says something else is a conflict, with the one that won", async () => {
    const run = await client(url).start("both");
    await paused(run);
    const [left] = run.view.pending;
    await run.decide(left!, { confirmed: true });
    await run.decide(left!, { confirmed: true });
    const error = await refused(run.decide(left!, { confirmed: false }));
    expect(error).toMatchObject({ code: "conflict", resolvedBy: "alice", decision: { confirmed: true } });
    await run.cancel();
  });

  it("several requirements are decided at once", async () => {
    const run = await client(url).start("both");
    await paused(run);
    await run.decideAll(run.view.pending.map(({ id }) => ({ id, decision: { confirmed: true } })));
    expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
  });

  it("what was answered isn't shown as waiting, and is again when it is refused", async () => {
    const run = await client(url).start("form");
    await paused(run);
    const shown: [string, number][] = [];
    run.subscribe(() => shown.push([run.optimistic.status, run.optimistic.pending.length]));
    await refused(run.decide(run.view.pending[0]!, { user_input: {} }));
    expect(shown).toEqual([
      ["RUNNING", 0],
      ["PAUSED", 1],
    ]);
    await run.cancel();
  });

  it("a run that isn't followed is decided too, and isn't followed for that", async () => {
    const run = await client(url).start("confirmed", { message: "x" });
    await paused(run);
    const other = client(url);
    await other.decide({ run_id: run.runId, workflow_id: "confirmed" }, run.view.pending[0]!.id, { confirmed: true });
    expect((await soon(run.finished(), "the end")).status).toBe("COMPLETED");
    expect(other.run(run.runId)).toBeUndefined();
  });
});

describe("following", () => {
  it("a run is cancelled", async () => {
    const run = await client(url).start("waits");
    await run.cancel("not today");
    const view = await soon(run.finished(), "the end");
    expect([view.status, view.cancelled]).toEqual(["CANCELLED", { reason: "not today", by: "alice" }]);
    expect([...view.steps].map((step) => step.state)).toEqual(["stopped"]);
  });

  it("a finished run is followed from its start, from its state, and from a place", async () => {
    const one = client(url);
    const run = await one.start("say", { message: "hello" });
    const events = await allOf(run);

    expect(await allOf(one.follow(run.runId))).toEqual(events);

    const short = one.follow(run.runId, { from: "snapshot" });
    expect(namesOf(await allOf(short))).toEqual(["WorkflowRunOutput"]);
    expect([short.view.status, short.view.output, short.view.snapshotAsOf]).toEqual(["COMPLETED", "said hello", 3]);

    const later = one.follow(run.runId, { from: { epoch: run.place.epoch, lastEventIndex: 1 } });
    expect(indexesOf(await allOf(later))).toEqual([2, 3]);

    const over = one.follow(run.runId, { from: run.place });
    expect(await allOf(over)).toEqual([]);
    expect(over.view.status).toBe("COMPLETED");
  });

  it("a snapshot of a run that waits has what it waits for, and the run goes on from there", async () => {
    const run = await client(url).start("both");
    await paused(run);
    const second = client(url).follow(run.runId, { from: "snapshot" });
    await paused(second);
    expect(second.view.pending).toEqual(run.view.pending);
    await second.decideAll(second.view.pending.map(({ id }) => ({ id, decision: { confirmed: true } })));
    expect((await soon(second.finished(), "the end")).output).toEqual({ left: "said ", right: "said " });
    const names = [...second.view.steps].map((step) => [step.path.join("/"), step.state]);
    expect(names).toEqual([
      ["both", "completed"],
      ["both/left", "completed"],
      ["both/right", "completed"],
    ]);
  });

  it("a run that isn't one's own doesn't exist", async () => {
    const run = await client(url).start("confirmed");
    const other = client(url, { token: BOB }).follow(run.runId);
    expect(await refused(other.ready())).toMatchObject({ code: "run_not_found" });
    expect(await refused(allOf(other))).toMatchObject({ code: "run_not_found" });
    await run.cancel();
  });

  it("the same run is one object as long as it is followed", async () => {
    const one = client(url);
    const run = await one.start("waits");
    expect(one.follow(run.runId)).toBe(run);
    run.unfollow();
    expect(one.run(run.runId)).toBeUndefined();
    expect(one.follow(run.runId)).not.toBe(run);
    await one.cancel({ run_id: run.runId, workflow_id: "waits" });
  });

  it("a run that is followed already is given to who asks for no more, and to nobody else", async () => {
    const starter = client(url);
    const { runId } = await starter.start("confirmed");
    const one = client(url, { log: 100 });
    const short = one.follow(runId, { from: "snapshot" });
    expect([one.follow(runId), one.follow(runId, { from: "snapshot", log: 50 })]).toEqual([short, short]);
    const place = { epoch: 1, lastEventIndex: 0 };
    for (const options of [{ from: "start" }, { from: "stored" }, { from: place }, { log: 500 }] as const) {
      expect(() => one.follow(runId, options)).toThrow("is followed already");
    }
    short.unfollow();
    const whole = one.follow(runId, { from: "stored" }); // nothing is stored: it begins at its start
    for (const from of ["start", "stored", "snapshot"] as const) expect(one.follow(runId, { from })).toBe(whole);
    expect(() => one.follow(runId, { from: place })).toThrow("is followed already");
    await starter.cancel({ run_id: runId, workflow_id: "confirmed" });
  });

  it("an idempotency key that was used gets the run that was started then", async () => {
    const one = client(url);
    const idempotencyKey = `key-${Math.random()}`;
    const run = await one.start("say", { message: "once", idempotencyKey });
    await soon(run.finished(), "the end");
    const same = await client(url).start("say", { message: "once", idempotencyKey });
    expect(same.runId).toBe(run.runId);
    expect(indexesOf(await allOf(same))).toEqual([0, 1, 2, 3]);
  });

  it("a loop that is slower than the events comes to all of them, and holds no more than the log may", async () => {
    const run = client(url, { log: 50 }).start("flood", { message: "3000" });
    let most = 0;
    const seen: unknown[] = [];
    for await (const message of await run) {
      seen.push("event_index" in message ? message.event_index : message.event);
      most = Math.max(most, (await run).view.log.length);
      if (seen.length % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(seen).toEqual(upTo(3004));
    expect(most).toBeLessThanOrEqual(101);
  });
});
