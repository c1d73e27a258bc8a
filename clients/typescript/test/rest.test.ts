/** Machines and instances over HTTP, against a server that answers as the reference prints it. */

import { describe, expect, inject, it } from "vitest";
import { Backoff } from "../src/backoff.js";
import { InterlockError, type Client, type Run } from "../src/index.js";
import { Instances, type Instance } from "../src/instances.js";
import { Machines, type MachineDefinition } from "../src/machines.js";
import { Rest } from "../src/rest.js";
import { Tokens } from "../src/tokens.js";
import { Api, data, error, HANG_UP, type Reply } from "./support/api.js";
import { client } from "./support/clients.js";
import { eventually, refused } from "./support/waiting.js";

const V1 = "/api/v1/workflows";
const HALTED = {
  id: "inst_xyz",
  workflow_name: "approval_workflow",
  version_id: "v_abc123",
  namespace: "user_123",
  status: "halted",
  current_state: "await_approval",
  halt_id: "halt_1",
  workflow_data: { amount: 5000 },
  halting_presentation: { type: "form", fields: [{ name: "approved", type: "boolean" }] },
  threads: [{ id: "thread_main", status: "halted", current_state: "await_approval", halt_id: "halt_1" }],
  created_at: "2026-01-20T12:00:00Z",
} as const;
const DEFINITION: MachineDefinition = { name: "m", initial_state: "end", states: { end: { type: "terminal" } } };
const NOBODY = {
  watch: () => {
    throw new Error("nobody was to be watched");
  },
  unwatch: () => undefined,
};

function restOf(api: Api, token: ConstructorParameters<typeof Tokens>[0] = "abc"): Rest {
  return new Rest(api.url, new Tokens(token), undefined, () => new Backoff({ first: 1, longest: 10 }));
}

async function begun() {
  const api = await Api.started();
  const rest = restOf(api);
  return { api, machines: new Machines(rest), instances: new Instances(rest, NOBODY) };
}

async function errorOf(asked: Promise<unknown>): Promise<InterlockError> {
  const found = await refused(asked);
  expect(found).toBeInstanceOf(InterlockError);
  return found as InterlockError;
}

describe("machines", () => {
  it("have versions that are read, drawn, and deleted while they are drafts", async () => {
    const { api, machines } = await begun();
    const draft = { name: "m", version_id: "v 1", status: "draft", created_at: "2026-01-20T12:00:00Z" };
    api.next.push(data({ ...draft, definition: DEFINITION }), data({ mermaid: "stateDiagram-v2" }), {
      status: 204,
      body: "",
    });
    const found = await machines.version("m", "v 1");
    expect(found.definition).toEqual(DEFINITION);
    expect(await machines.diagram("m", found)).toBe("stateDiagram-v2");
    await machines.deleteDraft("m", found);
    const at = `${V1}/m/versions/v%201`;
    expect(api.received.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET ${at}`,
      `GET ${at}/diagram`,
      `DELETE ${at}`,
    ]);
  });

  it("are created, validated, listed and published", async () => {
    const { api, machines } = await begun();
    const draft = { name: "m", version_id: "v_1", status: "draft", created_at: "2026-01-20T12:00:00Z" };
    const fault = { path: "states.start.transitions[0].target", message: "Target state 'nonexistent' does not exist" };
    api.next.push(
      data(draft, 201),
      data({ valid: false, errors: [fault] }),
      data({ workflows: [{ name: "a" }, { name: "b" }], next_cursor: "c 1" }),
      data({ workflows: [{ name: "c" }], next_cursor: null }),
      data({ versions: [draft] }),
      data({ version_id: "v_1", status: "published", published_at: "2026-01-20T12:05:00Z" }),
      data({ ...draft, definition: DEFINITION }),
      data({}),
    );
    const made = await machines.create(DEFINITION, { onlyNew: true });
    expect(made).toEqual(draft);
    expect((await machines.validate(DEFINITION)).errors).toEqual([fault]);
    expect((await machines.list()).map((each) => each.name)).toEqual(["a", "b", "c"]);
    expect((await machines.versions("m")).length).toBe(1);
    expect((await machines.publish("m", made)).status).toBe("published");
    expect((await machines.version("m", "v_1")).definition).toEqual(DEFINITION);
    await machines.deleteDraft("m", "v_2");
    expect(api.received.map(({ method, path, query }) => `${method} ${path} ${query}`)).toEqual([
      `POST ${V1} `,
      `POST ${V1}/validate `,
      `GET ${V1} `,
      `GET ${V1} cursor=c+1`,
      `GET ${V1}/m/versions `,
      `POST ${V1}/m/versions/v_1/publish `,
      `GET ${V1}/m/versions/v_1 `,
      `DELETE ${V1}/m/versions/v_2 `,
    ]);
    expect(api.received[0]?.body).toEqual(DEFINITION);
    expect(api.received[0]?.headers).toMatchObject({ authorization: "Bearer abc", "if-none-match": "*" });
  });
});

describe("instances", () => {
  it("are created, read, listed and cancelled", async () => {
    const { api, instances } = await begun();
    const more = { instances: [HALTED, HALTED], next_cursor: "x" };
    api.next.push(data(HALTED, 201), data(HALTED), data(more), data({ threads: HALTED.threads }));
    api.next.push(data({ id: "inst_xyz", status: "cancelled", cancelled_at: "2026-01-20T12:30:00Z" }));
    const made = await instances.create("m", { amount: 5000 }, { namespace: "user_123", wait: 5 });
    expect(await instances.get(made)).toEqual(HALTED);
    expect((await instances.list({ namespace: "user_123", status: "halted", limit: 2 })).length).toBe(2);
    expect((await instances.threads(made))[0]?.halt_id).toBe("halt_1");
    expect((await instances.cancel(made, "too late")).status).toBe("cancelled");
    expect(api.received[0]).toMatchObject({ body: { namespace: "user_123", input: { amount: 5000 } } });
    expect(api.received[0]?.headers["prefer"]).toBe("wait=5");
    expect(api.received[2]?.query).toBe("namespace=user_123&status=halted&limit=2");
    expect(api.received[4]?.body).toEqual({ reason: "too late" });
  });

  it("are tried in a version that is named, and their errors are listed", async () => {
    const { api, instances } = await begun();
    const page = { errors: [], pagination: { has_more: false, next_cursor: null } };
    api.next.push(data(HALTED, 201), data(page));
    await instances.create("m", {}, { versionId: "v_1" });
    expect(await instances.errors({ workflowName: "m", code: "http_error", limit: 5 })).toEqual(page);
    expect(api.received[0]?.body).toEqual({ version_id: "v_1", input: {} });
    expect(api.received[1]).toMatchObject({ path: `${V1}/errors`, query: "code=http_error&limit=5&workflow_name=m" });
  });

  it("are resumed at the halt that they showed", async () => {
    const { api, instances } = await begun();
    const halted = HALTED as unknown as Instance;
    for (let count = 0; count < 4; count++) api.next.push(data({ id: "inst_xyz", status: "completed" }));
    await instances.resume(halted, { approved: true });
    await instances.resume("inst_xyz", { approved: true }, { expectedState: "await_approval" });
    await instances.resumeThread(halted, "thread_main", { approved: true });
    await instances.resumeThread("inst_xyz", { id: "t", status: "halted", current_state: "a", halt_id: "halt_2" });
    const input = { approved: true };
    expect(api.received.map(({ body }) => body)).toEqual([
      { input, halt_id: "halt_1" },
      { input, expected_state: "await_approval" },
      { input, halt_id: "halt_1" },
      { input: {}, halt_id: "halt_2" },
    ]);
    expect(api.received[2]?.path).toBe(`${V1}/instances/inst_xyz/threads/thread_main/resume`);
  });

  it("tell what happened, page by page", async () => {
    const { api, instances } = await begun();
    const page = (index: number, next: string | null) =>
      data({ events: [{ id: `evt_0-${index}`, type: "halt" }], pagination: { has_more: !!next, next_cursor: next } });
    api.next.push(page(0, "a"), page(1, "b"), page(2, null), data({ id: "evt_0-1", type: "halt" }));
    const ids: string[] = [];
    for await (const event of instances.events("i", { types: ["halt", "error"], includeData: true }))
      ids.push(event.id);
    expect(ids).toEqual(["evt_0-0", "evt_0-1", "evt_0-2"]);
    expect(api.received.map(({ query }) => query)).toEqual([
      "types=halt%2Cerror&include_data=true",
      "types=halt%2Cerror&include_data=true&cursor=a",
      "types=halt%2Cerror&include_data=true&cursor=b",
    ]);
    expect((await instances.event("i", "evt_0-1")).id).toBe("evt_0-1");
  });

  it("tell what failed in all of them", async () => {
    const { api, instances } = await begun();
    const page = { errors: [{ id: "evt_1-4", instance_id: "i" }], pagination: { has_more: true, next_cursor: "a" } };
    api.next.push(data(page), data({ errors: [], pagination: { has_more: false, next_cursor: null } }));
    const first = await instances.errors();
    expect(first.errors[0]?.id).toBe("evt_1-4");
    const cursor = first.pagination.next_cursor ?? "";
    await instances.errors({ since: "2026-01-20", workflowName: "m", code: "http_error", limit: 9, cursor });
    expect(api.received.map(({ path }) => path)).toEqual([`${V1}/errors`, `${V1}/errors`]);
    expect(new URLSearchParams(api.received[1]?.query)).toEqual(
      new URLSearchParams({ since: "2026-01-20", code: "http_error", limit: "9", cursor: "a", workflow_name: "m" }),
    );
  });
});

describe("requests", () => {
  it("that are refused say why, and aren't sent again", async () => {
    const { api, instances } = await begun();
    api.next.push(error(400, "invalid_input", [{ field: "amount", error: "This must be a number, not a text." }]));
    const wrong = await errorOf(instances.resume("i"));
    expect(wrong).toMatchObject({
      code: "invalid_input",
      status: 400,
      requestId: "req_01F8B6XY9Z",
      message: "So it is.",
    });
    expect(wrong.fields).toEqual([{ field: "amount", error: "This must be a number, not a text." }]);
    api.next.push(error(500, "script_error", { instance_id: "inst_1" }));
    expect(await errorOf(instances.create("m"))).toMatchObject({ code: "script_error", runId: "inst_1" });
    expect(api.received.length).toBe(2);
  });

  it.each<[string, typeof HANG_UP | Reply]>([
    ["no answer", HANG_UP],
    ["a proxy's", { status: 502, body: "<html>Bad gateway" }],
    ["not now", error(503, "unavailable")],
  ])("with an effect are sent again under their key: %s", async (_name, lost) => {
    const { api, instances } = await begun();
    for (const ask of [
      () => instances.create("m"),
      () => instances.resume("i"),
      () => instances.resumeThread("i", "t"),
    ]) {
      api.received.length = 0;
      api.next.push(lost, lost, data(HALTED));
      expect((await ask()).id).toBe("inst_xyz");
      expect(api.received.length).toBe(3);
      expect(new Set(api.received.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
    }
    api.next.push(data(HALTED));
    await instances.create("m", {}, { idempotencyKey: "order-1" });
    expect(api.received.at(-1)?.headers["idempotency-key"]).toBe("order-1");
  });

  it("that may not happen twice are sent once", async () => {
    const { api, machines } = await begun();
    for (const ask of [() => machines.create(DEFINITION), () => machines.publish("m", "v")]) {
      api.received.length = 0;
      api.next.push(HANG_UP);
      expect((await errorOf(ask())).code).toBe("unanswered");
      expect(api.received.length).toBe(1);
    }
  });

  it("end where there is no answer, or none of Interlock's", async () => {
    const { api, instances } = await begun();
    api.next.push(HANG_UP, HANG_UP, HANG_UP, HANG_UP, HANG_UP);
    expect((await errorOf(instances.get("i"))).message).toMatch(/^No answer to GET/);
    expect(api.received.length).toBe(4);
    api.next.length = 0;
    for (const strange of [
      { status: 404, body: { error: "Not Found" } },
      { status: 200, body: "<html>" },
    ]) {
      api.next.push(strange);
      expect((await errorOf(instances.get("i"))).message).toMatch(/check the address/);
    }
  });

  it("wait for a short rate limit, and tell of a long one", async () => {
    const { api, machines } = await begun();
    api.next.push(error(429, "rate_limited", null, { "retry-after": "0" }), data({ version_id: "v" }));
    expect((await machines.create(DEFINITION)).version_id).toBe("v");
    api.next.push(error(429, "rate_limited", null, { "retry-after": "60" }));
    expect(await errorOf(machines.create(DEFINITION))).toMatchObject({ retryable: true, retryAfter: 60 });
  });

  it("renew a token that was refused, once", async () => {
    const api = await Api.started();
    const left = ["old", "new", "newer"];
    const instances = new Instances(
      restOf(api, () => left.shift() ?? ""),
      NOBODY,
    );
    api.next.push(error(401, "unauthorized"), data(HALTED), error(401, "unauthorized"), error(401, "unauthorized"));
    await instances.get("i");
    expect(api.received.map(({ headers }) => headers["authorization"])).toEqual(["Bearer old", "Bearer new"]);
  });

  it("stay within the part of the path that they name", async () => {
    const { api, instances } = await begun();
    api.next.push(data(HALTED));
    await instances.get("a/../b?c");
    expect(api.received[0]?.path).toBe(`${V1}/instances/a%2F..%2Fb%3Fc`);
    expect(() => instances.get("")).toThrow(/empty/);
  });
});

describe("waiting", () => {
  const STATUS = { PENDING: "running", RUNNING: "running", PAUSED: "halted", ERROR: "failed" } as Record<
    string,
    string
  >;

  /** A run, another client that waits for it, and HTTP that shows how it stands. */
  async function waited(workflow: string) {
    const url = `http://127.0.0.1:${inject("port")}`;
    const run: Run = await client(url).start(workflow);
    await eventually(() => run.view.status === "PAUSED", "a pause");
    const api = await Api.started();
    let asked = 0;
    api.book.set(`GET ${V1}/instances/${run.runId}`, () => {
      asked += 1;
      const status = STATUS[run.view.status] ?? run.view.status.toLowerCase();
      return data({ id: run.runId, status });
    });
    const other: Client = client(url);
    return { run, other, instances: new Instances(restOf(api), other), asked: () => asked };
  }

  const answer = (run: Run) => run.decide(run.view.pending[0]!, { user_input: { title: "x" } });

  it("is told by the socket, and doesn't poll", async () => {
    const { run, instances, asked } = await waited("form");
    expect((await instances.waitFor(run.runId)).status).toBe("halted");
    expect(asked()).toBe(1);
    const waiting = [1, 2, 3].map(() => instances.waitFor(run.runId, { status: "completed" }));
    await eventually(() => asked() === 4, "all to have looked");
    await answer(run);
    expect((await Promise.all(waiting)).map((each) => each.status)).toEqual(["completed", "completed", "completed"]);
    expect(asked()).toBeLessThanOrEqual(10);
  });

  it("goes on while the program follows the run, and leaves it", async () => {
    const { run, other, instances, asked } = await waited("form");
    const waiting = instances.waitFor(run.runId, { status: "completed" });
    await eventually(() => asked() === 1, "a look");
    const followed = other.follow(run.runId); // from its start, although it was followed from a snapshot
    await eventually(() => followed.view.pending.length === 1, "its past");
    expect(followed.view.input).toBeDefined();
    followed.unfollow();
    await answer(run);
    expect((await waiting).status).toBe("completed");
  });

  it("ends with its time, its signal and its client", async () => {
    const { run, other, instances, asked } = await waited("form");
    const status = "completed";
    expect((await errorOf(instances.waitFor(run.runId, { status, timeout: 30 }))).code).toBe("timeout");
    const gone = new AbortController();
    const aborted = instances.waitFor(run.runId, { status, signal: gone.signal });
    gone.abort(new Error("never mind"));
    expect((await refused(aborted)) as Error).toMatchObject({ message: "never mind" });
    const before = asked();
    const closed = instances.waitFor(run.runId, { status });
    await eventually(() => asked() > before, "a look");
    other.close();
    expect((await errorOf(closed)).code).toBe("closed");
  });
});
