/** Types that openapi-typescript writes from the server's OpenAPI document, in a program that is checked and run. */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";
import { expect, inject, it } from "vitest";
import { ALICE } from "./support/server.js";

const run = promisify(execFile);
const DOCUMENT = new URL("../../../docs/openapi.json", import.meta.url);

const PROGRAM = `
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

it("types that openapi-typescript writes are those of what the server takes and answers", async () => {
  const folder = await mkdtemp(fileURLToPath(new URL("./written-", import.meta.url))); // beside node_modules, for Node's types
  try {
    await writeFile(`${folder}/written.ts`, astToString(await openapiTS(DOCUMENT)));
    await writeFile(`${folder}/program.ts`, PROGRAM);
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
    const { stdout } = await run(process.execPath, [
      `${folder}/program.js`,
      `http://127.0.0.1:${String(inject("port"))}`,
      ALICE,
    ]);
    expect(stdout).toBe("PAUSED true WorkflowStarted\n");
  } finally {
    await rm(folder, { recursive: true });
  }
});
