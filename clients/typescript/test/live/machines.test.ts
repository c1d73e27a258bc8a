/** Machines and instances on a real server, from the definition to the last event. */

import { describe, expect, inject, it } from "vitest";
import type { InterlockError, MachineDefinition } from "../../src/index.js";
import { client } from "../support/clients.js";
import { ROOT } from "../support/server.js";
import { eventually, refused } from "../support/waiting.js";

const url = `http://127.0.0.1:${inject("port")}`;
const headers = { authorization: `Bearer ${ROOT}` };
const answer = await fetch(`${url}/api/v1/workflows`, { headers }).catch(() => null);
const hasMachines = answer?.ok === true && "data" in ((await answer.json()) as object);

function approval(name: string): MachineDefinition {
  return {
    name,
    initial_state: "ask",
    states: {
      ask: {
        type: "halting",
        presentation: {
          type: "form",
          title: "Approve ${input.what}?",
          fields: [
            { name: "approved", type: "boolean", required: true },
            { name: "amount", type: "number", max: 100, default: 5 },
          ],
        },
        transitions: [{ target: "done", condition: { field: "approved", equals: true } }, { target: "ask" }],
      },
      done: { type: "terminal" },
    },
  };
}

describe.skipIf(!hasMachines)("machines", () => {
  it("are created, published, and run to their end", async () => {
    const one = client(url, { token: ROOT });
    expect((await one.machines.validate({ ...approval("ts-whole"), initial_state: "nowhere" })).valid).toBe(false);
    const draft = await one.machines.create(approval("ts-whole"), { onlyNew: true });
    expect((await one.machines.version("ts-whole", draft)).definition).toEqual(approval("ts-whole"));
    expect(await one.machines.diagram("ts-whole", draft)).toMatch(/^stateDiagram-v2/);
    const unwanted = await one.machines.create(approval("ts-whole"));
    await one.machines.deleteDraft("ts-whole", unwanted);
    expect(await refused(one.machines.version("ts-whole", unwanted))).toMatchObject({ code: "version_not_found" });
    const exists = await refused(one.machines.create(approval("ts-whole"), { onlyNew: true }));
    expect((exists as InterlockError).code).toBe("workflow_exists");
    expect((await one.machines.publish("ts-whole", draft)).status).toBe("published");
    expect((await one.machines.list()).find((each) => each.name === "ts-whole")?.published_version_id).toBe(
      draft.version_id,
    );

    const halted = await one.instances.create("ts-whole", { what: "it" });
    expect([halted.status, halted.halting_presentation?.title]).toEqual(["halted", "Approve it?"]);
    const wrong = (await refused(one.instances.resume(halted, { approved: "yes", amount: 1000 }))) as InterlockError;
    expect([wrong.code, wrong.fields.map(({ field }) => field)]).toEqual(["invalid_input", ["approved", "amount"]]);
    const again = await one.instances.resume(halted, { approved: false });
    expect(again.status).toBe("halted");
    expect(await refused(one.instances.resume(halted, { approved: true }))).toBeDefined(); // never for the next halt
    const done = await one.instances.resume(await one.instances.get(halted), { approved: true });
    expect([done.status, done.workflow_data]).toEqual(["completed", { approved: true, amount: 5 }]);
    const subtypes: (string | undefined)[] = [];
    for await (const event of one.instances.events(done)) subtypes.push(event.subtype);
    expect([subtypes[0], subtypes.at(-1)]).toEqual(["created", "completed"]);
  });

  it("are waited for by the socket, where their halts are pauses", async () => {
    const one = client(url, { token: ROOT });
    const draft = await one.machines.create(approval("ts-waited"));
    await one.machines.publish("ts-waited", draft);
    const halted = await one.instances.create("ts-waited");
    expect((await one.instances.waitFor(halted)).halt_id).toBe(halted.halt_id);
    const waiting = one.instances.waitFor(halted, { status: "completed" });
    const run = one.follow(halted.id);
    await eventually(() => run.behind === 0 && run.view.pending.length > 0, "a pause");
    const [pending] = run.view.pending;
    expect(pending?.id).toBe(halted.halt_id);
    await run.decide(pending!, { user_input: { approved: true } });
    expect((await waiting).status).toBe("completed");
    const thread = [...run.view.steps].find((step) => step.type === "Thread");
    expect(thread?.selected).toEqual(["done"]);
    await run.finished();
  });

  it("take files, which come back as they were sent", async () => {
    const one = client(url, { token: ROOT });
    const content = new Uint8Array(300_000).map((_, place) => place % 251);
    const made = await one.files.upload(new File([content], 'a "b" ü.bin'));
    expect(made).toMatchObject({ size: content.length, content_type: "application/octet-stream" });
    expect(made.name).toContain("ü.bin");
    expect(await one.files.info(made.id)).toEqual(made);
    expect(new Uint8Array(await (await one.files.download(made.id)).arrayBuffer())).toEqual(content);
    const named = await one.files.upload(new Blob(["hello"]), { name: "x.txt" });
    expect(named).toMatchObject({ name: "x.txt", content_type: "text/plain" });
    await one.files.delete(made.id);
    expect(await refused(one.files.download(made.id))).toMatchObject({ code: "file_not_found", status: 404 });
    await expect(one.files.upload(new Blob([new Uint8Array(10 * 1024 * 1024 + 1)]))).rejects.toThrow(/at most/);
    const gone = new AbortController();
    gone.abort(new Error("changed my mind"));
    await expect(one.files.upload(new Blob(["x"]), { signal: gone.signal })).rejects.toThrow("changed my mind");
  });
});
