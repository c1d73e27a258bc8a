/**
 * Writes src/protocol.ts from docs/schema/interlock.schema.json: `npm run generate`.
 *
 * Laws:
 * - The schema is the only source. What is changed on the way is what a type can't say, or says by its name: defaults,
 *   `JsonValue`, and which of two fields an object has.
 * - The same schema gives the same text: a test compares it with what is committed.
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../../../docs/schema/interlock.schema.json", import.meta.url);
export const TARGET = new URL("../src/protocol.ts", import.meta.url);

const BANNER = `/**
 * The messages of the protocol. Generated from docs/schema/interlock.schema.json by \`npm run generate\`; not to be edited.
 *
 * A receiver ignores fields and events that it doesn't know, so that a newer server may send more than is here.
 */

/** Any value of JSON. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };`;

const ROOTS = ["ClientMessage", "ControlMessage", "RunEvent", "ServerMessage"];

/** The schema with what only validators need taken out. */
function plain(node) {
  if (Array.isArray(node)) return node.map(plain);
  if (node === null || typeof node !== "object") return node;
  if (node.$ref === "#/$defs/JsonValue") return { tsType: "JsonValue" };
  const kept = Object.entries(node).filter(([key]) => key !== "default" && key !== "discriminator" && key !== "title");
  return Object.fromEntries(kept.map(([key, value]) => [key, plain(value)]));
}

/** The schema as the generator is to read it: named unions, and no type that is an intersection. */
function prepared(schema) {
  const { JsonValue: _any, ...defs } = plainDefinitions(schema.$defs);
  delete defs.WorkflowRunOutput.oneOf; // either `event_index` or `as_of`: both are optional
  defs.ServerMessage = { oneOf: [reference("ControlMessage"), reference("RunEvent")] };
  return { title: "Message", description: schema.description, oneOf: ROOTS.map(reference), $defs: defs };
}

function plainDefinitions(definitions) {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => {
      const { properties, ...rest } = definition;
      if (properties === undefined) return [name, plain(rest)];
      const typed = Object.entries(properties).map(([field, each]) => [field, plain(each)]);
      return [name, { ...plain(rest), properties: Object.fromEntries(typed) }];
    }),
  );
}

function reference(name) {
  return { $ref: `#/$defs/${name}` };
}

/** The text of src/protocol.ts, for the schema as it is now. */
export async function generated() {
  const schema = JSON.parse(await readFile(SCHEMA, "utf8"));
  return compile(prepared(schema), "Message", {
    additionalProperties: false,
    bannerComment: BANNER,
    style: { printWidth: 120 },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(TARGET, await generated());
