/**
 * The check of what a person answers at a halt, before it is sent.
 *
 * Laws:
 * - Pure. It spares a round trip: the server checks every answer itself, and says the same of it, word for word.
 * - An answer has only the fields of the form, each of its own type: nothing is converted. Null means that a field isn't
 *   given; then its default counts. A required text isn't empty.
 * - Numbers are judged exactly, as they are written in decimals: 0.3 is three steps of 0.1. Steps count from `min`, or 0.
 */

import type { FieldFault } from "./errors.js";
import { CHOICE, type Presentation, type PresentationField } from "./presentations.js";
import type { JsonValue } from "./protocol.js";

/** How many files a field takes. */
export const MAX_FILES = 5;

const MAX_ID = 256;
const SHOWN_OPTIONS = 20;
const MAX_QUOTED = 100;

/** What is wrong with an answer to a presentation: an entry for each wrong field, none where it is right. */
export function faultsOf(presentation: Presentation, given: Readonly<Record<string, JsonValue>>): FieldFault[] {
  const fields = fieldsOf(presentation);
  if (fields === null) return [];
  const known = new Set(fields.map(({ name }) => name));
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  return [
    ...unknown.map((name) => ({ field: name, error: `There is no field '${name}' in this form; leave it out.` })),
    ...fields.flatMap((field) => {
      const error = faultOf(field, Object.hasOwn(given, field.name) ? given[field.name] : undefined);
      return error === null ? [] : [{ field: field.name, error }];
    }),
  ];
}

/** The fields that an answer may have; null where anything answers. */
function fieldsOf({ type, fields, options }: Presentation): readonly PresentationField[] | null {
  if (type === "message") return null;
  return type === "form" ? (fields ?? []) : [{ name: CHOICE, type: "select", required: true, options }];
}

/** What is wrong with the value of a field, as a sentence; null where it is right. */
export function faultOf(field: PresentationField, given: JsonValue | undefined): string | null {
  const value = given ?? field.default ?? null;
  if (isBlank(value) && field.required === true) return "This field is required; give a value.";
  return value === null ? null : misfit(field, value);
}

function isBlank(value: JsonValue): boolean {
  return value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

function misfit(field: PresentationField, value: JsonValue): string | null {
  switch (field.type) {
    case "string":
      return textMisfit(field, value);
    case "number":
      return numberMisfit(field, value);
    case "boolean":
      return typeof value === "boolean" ? null : not("true or false", value);
    case "select":
      return optionMisfit(field, value);
    case "date":
      return dateMisfit(field, value);
    case "file":
      return fileMisfit(value);
  }
}

function not(words: string, value: JsonValue): string {
  return `This must be ${words}, not ${typeInWords(value)}.`;
}

function typeInWords(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  const words = { string: "a text", number: "a number", boolean: "true or false", object: "an object" };
  return words[typeof value as keyof typeof words];
}

function textMisfit({ maxLength }: PresentationField, value: JsonValue): string | null {
  if (typeof value !== "string") return not("a text", value);
  const { length } = Array.from(value); // characters, not the halves of those outside of the first plane
  if (maxLength === undefined || length <= maxLength) return null;
  return `This has ${length} characters, and at most ${maxLength} are allowed; shorten it.`;
}

function numberMisfit({ min, max, step }: PresentationField, value: JsonValue): string | null {
  if (typeof value !== "number" || !Number.isFinite(value)) return not("a number", value);
  if (min !== undefined && value < min) return `This must be at least ${min}.`;
  if (max !== undefined && value > max) return `This must be at most ${max}.`;
  const start = min ?? 0;
  if (step === undefined || isStep(value, start, step)) return null;
  return `This must be ${start === 0 ? "" : `${start} plus `}a multiple of ${step}.`;
}

/** Whether a number is some steps from another. */
function isStep(value: number, start: number, step: number): boolean {
  const numbers = [value, start, step].map(decimal);
  const least = Math.min(...numbers.map(({ exponent }) => exponent));
  const [whole, from, by] = numbers.map(({ digits, exponent }) => digits * 10n ** BigInt(exponent - least));
  return by !== undefined && whole !== undefined && from !== undefined && (whole - from) % by === 0n;
}

/** A number as it is written: `digits` times ten to the power of `exponent`. */
function decimal(value: number): { digits: bigint; exponent: number } {
  const [mantissa = "0", power = "0"] = String(value).split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  return { digits: BigInt(whole + fraction), exponent: Number(power) - fraction.length };
}

function optionMisfit({ options = [] }: PresentationField, value: JsonValue): string | null {
  if (options.some((option) => option.value === value)) return null;
  if (options.length === 0) return "There is nothing to select here; leave it out.";
  const shown = options.slice(0, SHOWN_OPTIONS).map((option) => shortened(option.value));
  return `This must be one of: ${shown.join(", ")}${options.length > SHOWN_OPTIONS ? ", …" : ""}.`;
}

function shortened(text: string): string {
  const characters = Array.from(text);
  return characters.length <= MAX_QUOTED ? text : `${characters.slice(0, MAX_QUOTED - 1).join("")}…`;
}

function dateMisfit({ minDate, maxDate }: PresentationField, value: JsonValue): string | null {
  const words = "a date such as 2026-01-31";
  if (typeof value !== "string") return not(words, value);
  if (!isDate(value)) return `This must be ${words}, and a day of the calendar.`;
  if (minDate !== undefined && value < minDate) return `This must be ${minDate} or later.`;
  if (maxDate !== undefined && value > maxDate) return `This must be ${maxDate} or earlier.`;
  return null;
}

function isDate(text: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) || text.startsWith("0000")) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

function fileMisfit(value: JsonValue): string | null {
  const ids = Array.isArray(value) ? value : [value];
  const isId = (id: JsonValue) => typeof id === "string" && id !== "" && Array.from(id).length <= MAX_ID;
  if (!ids.every(isId)) return "This must be the id of a file, or a list of ids.";
  if (ids.length <= MAX_FILES) return null;
  return `These are ${ids.length} files, and at most ${MAX_FILES} are allowed; leave some out.`;
}
