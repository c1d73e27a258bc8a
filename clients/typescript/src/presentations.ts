/**
 * What a person is shown at a halt of a state machine, and what they may answer.
 *
 * Laws:
 * - Pure. The checks here spare a round trip. The server checks every answer itself, and says the same of it.
 * - What can't be read as a presentation is none: whoever shows it falls back on `user_input_schema`.
 * - Types are never converted: the text `"3"` is no number. A text that a field can't read stays as it is, so that it is
 *   refused and not lost.
 */

import type { FieldFault } from "./errors.js";
import type { JsonValue } from "./protocol.js";

/** What a field of a form takes. A `file` takes ids of files. */
export type FormFieldType = "string" | "number" | "boolean" | "select" | "date" | "file";

const FIELD_TYPES: readonly string[] = ["string", "number", "boolean", "select", "date", "file"];

/** One of the things that can be selected. */
export interface PresentationOption {
  value: string;
  label?: string | undefined;
  description?: string | undefined;
}

/** A field of a form. What doesn't belong to its type is ignored. */
export interface PresentationField {
  name: string;
  type: FormFieldType;
  label?: string | undefined;
  required?: boolean | undefined;
  default?: JsonValue | undefined;
  /** Of a string. `maxLength` counts characters. */
  multiline?: boolean | undefined;
  placeholder?: string | undefined;
  maxLength?: number | undefined;
  /** Of a number. */
  min?: number | undefined;
  max?: number | undefined;
  step?: number | undefined;
  /** Of a select. */
  options?: PresentationOption[] | undefined;
  /** Of a date: ISO dates, the first and the last that may be given. */
  minDate?: string | undefined;
  maxDate?: string | undefined;
  /** Of a file: MIME types or endings, with commas between them, and a size in bytes. */
  accept?: string | undefined;
  maxSize?: number | undefined;
}

/** What a halt shows: a form to fill in, options to choose from, or only a message. */
export interface Presentation {
  type: "form" | "choice" | "message";
  title?: string | undefined;
  description?: string | undefined;
  /** Of a choice and of a message. */
  message?: string | undefined;
  /** Of a form. */
  fields?: PresentationField[] | undefined;
  /** Of a choice. */
  options?: PresentationOption[] | undefined;
  /** Of a message: something else is at work meanwhile. */
  show_progress?: boolean | undefined;
}

/** A transition that a person may select at a halt in selection mode. */
export interface HaltedChoice {
  key: string;
  description?: string;
  to: string;
}

/** What is said at a halt that has instructions instead of a presentation. */
export interface HaltedOptions {
  /** The message; `generated` says that a model wrote it. */
  instruction: string;
  generated?: boolean;
  include_data?: string[];
  transition_mode?: "condition" | "selection";
  /** In selection mode. */
  choices?: HaltedChoice[];
}

/** The parts of a requirement that say what a halt shows. */
export interface Halting {
  presentation?: JsonValue;
  halted_options?: JsonValue;
}

/** How many files a field takes. */
export const MAX_FILES = 5;

// ── Reading ───────────────────────────────────────────────────────────────────────────────────────────

/** What a halt shows: its presentation, or in selection mode one made of its transitions; null where it has neither. */
export function presentationOf({ presentation, halted_options }: Halting): Presentation | null {
  if (isPresentation(presentation)) return presentation;
  const options = haltedOptionsOf({ halted_options });
  if (!options?.choices) return null;
  return {
    type: "choice",
    message: options.instruction,
    options: options.choices.map(({ key, description }) => ({ value: key, label: description ?? key })),
  };
}

/** What a halt with instructions says; null where it has none. */
export function haltedOptionsOf({ halted_options: given }: Halting): HaltedOptions | null {
  if (!isObject(given) || typeof given["instruction"] !== "string") return null;
  const { choices, ...rest } = given;
  const known = Array.isArray(choices) ? choices.filter(isChoice) : [];
  return { ...rest, ...(known.length > 0 ? { choices: known } : {}) } as unknown as HaltedOptions;
}

function isChoice(value: JsonValue): value is { key: string; to: string } {
  return isObject(value) && typeof value["key"] === "string";
}

function isPresentation(value: unknown): value is Presentation {
  if (!isObject(value)) return false;
  switch (value["type"]) {
    case "form":
      return isListOf(value["fields"], (field) => isNamed(field) && FIELD_TYPES.includes(field["type"] as string));
    case "choice":
      return isListOf(value["options"], isOption);
    case "message":
      return typeof value["message"] === "string";
    default:
      return false;
  }
}

function isNamed(field: Record<string, unknown>): boolean {
  const { name, type, options } = field;
  return typeof name === "string" && (type !== "select" || isListOf(options, isOption));
}

function isOption({ value }: Record<string, unknown>): boolean {
  return typeof value === "string";
}

function isListOf(value: unknown, holds: (item: Record<string, unknown>) => boolean): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && holds(item));
}

function isObject(value: unknown): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a field is called. */
export function labelOf({ name, label }: PresentationField): string {
  return label ?? name;
}
