/** Types that openapi-typescript writes from the server's OpenAPI document, in a program that is checked and run. */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";
import { expect, inject, it } from "vitest";
import { ALICE, ROOT } from "./support/server.js";

const run = promisify(execFile);

/** A document, a program with the types that are written from it, and what that prints. */
interface Case {
  document: string;
  program: string;
  token: string;
  prints: string;
}

const RUNS = `
import type { components, operations, paths } from "./written.js";

type Answer<Name extends keyof operations> = operations[Name]["responses"] extends { 200: { content: { "application/json": infer Body } } } ? Body : never;
type Start = NonNullable<operations["startRun"]["requestBody"]>["content"]["application/json"];
type Event = operations["resumeRun"]["responses"][200]["content"]["text/event-stream"];

const [server, token] = process.argv.slice(2);

async function ask<Body>(method: string, path: string, body?: unknown): Promise<Body> {
  const headers = { Authorization: \`Bearer \${token}\`, "Content-Type": "application/json" };
  const response = await fetch(server + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (!response.ok) throw new Error(((await response.json()) as components["schemas"]["ErrorMessage"]).error);
  return (await response.json()) as Body;
}

const runs: keyof paths = "/workflows/{workflow_id}/runs";
const start: Start = { message: "hello", stream: false };
const paused = await ask<Answer<"startRun">>("POST", runs.replace("{workflow_id}", "confirmed"), start);
const { runs: listed } = await ask<Answer<"listRuns">>("GET", "/runs");
const first: Event = { event: "WorkflowStarted", data: "{}" };
console.log(paused.status, listed.some((each) => each.run_id === paused.run_id), first.event);
`;

const MACHINES = `
import type { components, operations, paths } from "./written.js";

type Json<Body> = Body extends { content: { "application/json": infer Given } } ? Given : never;
type Answer<Name extends keyof operations, Status extends number = 200> = operations[Name]["responses"] extends Record<Status, infer Body> ? Json<Body> : never;
type Failure = components["schemas"]["ErrorAnswer"];

const [server, token] = process.argv.slice(2);

async function ask<Body>(method: string, path: keyof paths, parts: Record<string, string> = {}, body?: unknown): Promise<Body> {
  const headers = { Authorization: \`Bearer \${token}\`, "Content-Type": "application/json" };
  const filled = path.replace(/{(\\w+)}/g, (_, name: string) => encodeURIComponent(parts[name] ?? ""));
  const response = await fetch(\`\${server}/api/v1\${filled}\`, { method, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (!response.ok) throw new Error(((await response.json()) as Failure).error.code);
  return (await response.json()) as Body;
}

const definition: components["schemas"]["WorkflowDefinition"] = {
  name: "from-types",
  initial_state: "ask",
  ai_guidance: "Asks once.",
  states: {
    ask: { type: "halting", presentation: { type: "message", message: "?" }, accepts: {}, transitions: [{ target: "end" }] },
    end: { type: "terminal" },
  },
};
const { data: draft } = await ask<Answer<"createWorkflow", 201>>("POST", "/workflows", {}, definition);
const version = { name: "from-types", version_id: draft.version_id };
await ask<Answer<"publishVersion">>("POST", "/workflows/{name}/versions/{version_id}/publish", version);
const input: components["schemas"]["CreateInstance"] = { input: { amount: 1 } };
const { data: made } = await ask<Answer<"createInstance", 201>>("POST", "/workflows/{name}/instances", version, input);
const id = { instance_id: made.id };
const { data: done } = await ask<Answer<"resumeInstance">>("POST", "/workflows/instances/{instance_id}/resume", id, { input: {} });
const { data: told } = await ask<Answer<"listHistory">>("GET", "/workflows/instances/{instance_id}/history", id);
const again = await ask("POST", "/workflows/instances/{instance_id}/cancel", id).catch((error: Error) => error.message);
console.log(draft.status, made.status, done.status, told.events.at(-1)?.subtype, again);
`;

const CASES: Case[] = [
  { document: "openapi.json", program: RUNS, token: ALICE, prints: "PAUSED true WorkflowStarted\n" },
  {
    document: "openapi-v1.json",
    program: MACHINES,
    token: ROOT,
    prints: "draft halted completed completed instance_not_active\n",
  },
];

it.each(CASES)("types written from $document are those of what the server takes and answers", async (given) => {
  const folder = await mkdtemp(fileURLToPath(new URL("./written-", import.meta.url))); // beside node_modules, for Node's types
  try {
    const document = new URL(`../../../docs/${given.document}`, import.meta.url);
    await writeFile(`${folder}/written.ts`, astToString(await openapiTS(document)));
    await writeFile(`${folder}/program.ts`, given.program);
    const options: ts.CompilerOptions = {
      strict: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      types: ["node"],
      skipLibCheck: true,
    };
    const program = ts.createProgram([`${folder}/program.ts`], options);
    const faults = ts
      .getPreEmitDiagnostics(program)
      .map((each) => ts.flattenDiagnosticMessageText(each.messageText, "\n"));
    expect(faults).toEqual([]);
    program.emit();
    const server = `http://127.0.0.1:${String(inject("port"))}`;
    const { stdout } = await run(process.execPath, [`${folder}/program.js`, server, given.token]);
    expect(stdout).toBe(given.prints);
  } finally {
    await rm(folder, { recursive: true });
  }
});
