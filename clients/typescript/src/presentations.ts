/**
 * What a person is shown at a halt of a state machine, and what they may answer.
 *
 * Laws:
 * - Pure. What can't be read as a presentation is none: whoever shows it falls back on `user_input_schema`.
 */

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
  description?: string | null;
  to: string;
}

/** What is said at a halt that has instructions instead of a presentation. */
export interface HaltedOptions {
  title?: string;
  /** The message; `generated` says that a model wrote it. */
  instruction: string | null;
  generated?: boolean;
  include_data?: string[];
  transition_mode?: "condition" | "selection";
  /** In selection mode. */
  choices?: HaltedChoice[];
}

/** The parts of a requirement that say what a halt shows. */
export interface Halting {
  presentation?: JsonValue | undefined;
  halted_options?: JsonValue | undefined;
}

/** The name of the field that answers a choice. */
export const CHOICE = "choice";

/** What a halt shows: its presentation, in selection mode with its transitions to choose from; null where it has neither. */
export function presentationOf({ presentation, halted_options: options }: Halting): Presentation | null {
  const shown: Presentation | null = isPresentation(presentation) ? presentation : null;
  const said = haltedOptionsOf(options);
  const choices = said?.choices?.map(({ key, description }) => ({ value: key, label: description ?? key }));
  if (choices === undefined) return shown;
  if (shown?.type === "form") {
    const choice: PresentationField = { name: CHOICE, type: "select", required: true, options: choices };
    return { ...shown, fields: [...(shown.fields ?? []).filter(({ name }) => name !== CHOICE), choice] };
  }
  const message = said?.instruction ?? undefined;
  return { title: said?.title, message, ...shown, type: "choice", options: choices };
}

/** What a halt with instructions says; null where it has none. */
export function haltedOptionsOf(given: JsonValue | undefined): HaltedOptions | null {
  if (!isObject(given)) return null;
  const { title, instruction, choices, ...rest } = given;
  const known = Array.isArray(choices) ? choices.filter(isChoice) : [];
  return {
    ...rest,
    ...(typeof title === "string" ? { title } : {}),
    instruction: typeof instruction === "string" ? instruction : null,
    ...(known.length > 0 ? { choices: known } : {}),
  };
}

function isChoice(value: JsonValue): value is { key: string; to: string } {
  return isObject(value) && typeof value["key"] === "string";
}

function isPresentation(value: JsonValue | undefined): value is JsonValue & Presentation {
  if (!isObject(value)) return false;
  switch (value["type"]) {
    case "form":
      return isListOf(value["fields"], isField);
    case "choice":
      return isListOf(value["options"], isOption);
    case "message":
      return typeof value["message"] === "string";
    default:
      return false;
  }
}

function isField({ name, type, options }: Record<string, JsonValue>): boolean {
  const isKnown = typeof type === "string" && FIELD_TYPES.includes(type);
  return typeof name === "string" && isKnown && (type !== "select" || isListOf(options, isOption));
}

function isOption({ value }: Record<string, JsonValue>): boolean {
  return typeof value === "string";
}

function isListOf(value: JsonValue | undefined, holds: (item: Record<string, JsonValue>) => boolean): boolean {
  return Array.isArray(value) && value.every((item) => isObject(item) && holds(item));
}

function isObject(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a field or an option is called. */
export function labelOf(named: PresentationField | PresentationOption): string {
  return named.label ?? ("name" in named ? named.name : named.value);
}
