/**
 * What can't travel: it is refused where it is handed over, instead of arriving as something else.
 *
 * Laws:
 * - `JSON.stringify` makes null of NaN and of infinities, and nothing of functions; a number beyond 2^53 has lost digits by
 *   the time it is one. None of that is sent.
 * - A fault names its place, never its value: it may be a secret.
 */

import { misuse } from "./errors.js";

/** How deep the values of a message may be nested, the message itself included. */
const MAX_DEPTH = 64;

/** From here on, JavaScript writes a number with an exponent, and so as what it is: no exact integer. */
const EXPONENT = 1e21;

/** Throws `misuse` for the first value in a message that its encoding would change or leave out. */
export function assertCarried(value: unknown, path = "", depth = MAX_DEPTH): void {
  if (value === null || value === undefined || typeof value === "boolean") return;
  if (typeof value === "object") {
    if (depth === 0) throw misuse(`${named(path)} is nested more than ${MAX_DEPTH} deep`);
    for (const [key, each] of Object.entries(value)) assertCarried(each, placed(value, path, key), depth - 1);
    return;
  }
  const fault = typeof value === "string" ? faultOfText(value) : faultOf(value);
  if (fault !== undefined) throw misuse(`${named(path)} ${fault}`);
}

function faultOf(value: unknown): string | undefined {
  if (typeof value !== "number") return `is a ${typeof value}, which JSON doesn't have`;
  if (!Number.isFinite(value)) return "is NaN or infinite, which JSON doesn't have";
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) < EXPONENT)
    return "is a whole number beyond 2^53, which has lost digits by now: send it as text";
  return undefined;
}

function faultOfText(text: string): string | undefined {
  return /\p{Surrogate}/u.test(text) ? "has half of a surrogate pair" : undefined;
}

function placed(parent: object, path: string, key: string): string {
  if (Array.isArray(parent)) return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}

function named(path: string): string {
  return path === "" ? "the message" : path;
}
