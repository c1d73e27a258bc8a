/** JSON as people write it. Pure. */

import type { JsonValue } from "@interlock/client";

const WIDTH = 100;

/** A value as JSON text: what is short stands in one line, what holds others doesn't. */
export function written(value: JsonValue): string {
  return `${block(value, "", 0)}\n`;
}

/** States, and what is around them, are always opened out. */
const OPENED = 3;

function block(value: JsonValue, indent: string, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const line = inLine(value);
  const inner = `${indent}  `;
  const isShort = indent.length + line.length <= WIDTH;
  if (isShort && (depth >= OPENED || Object.keys(value).length === 0 || Array.isArray(value) || isLeaf(value)))
    return line;
  const parts = Array.isArray(value)
    ? value.map((each) => inner + block(each, inner, depth + 1))
    : Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${block(each, inner, depth + 1)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.join(",\n")}\n${indent}${close}`;
}

/** Whether an object has one plain value, as `{ "type": "terminal" }`. */
function isLeaf(value: Record<string, JsonValue>): boolean {
  const values = Object.values(value);
  return values.length === 1 && (typeof values[0] !== "object" || values[0] === null);
}

function inLine(value: JsonValue): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(inLine).join(", ")}]`;
  const parts = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${inLine(each)}`);
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}
