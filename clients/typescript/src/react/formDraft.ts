/**
 * What is typed into a form, and the values that it makes.
 *
 * Laws:
 * - Pure. A text that its field can't read stays a text, so that it is refused and not lost.
 * - A field that nobody touched isn't given. A text that had a default and was emptied is given as empty.
 */

import type { Presentation, PresentationField } from "../presentations.js";
import type { JsonValue } from "../protocol.js";

/** What stands in each field, by its name: a text, or of a boolean whether it is true. */
export type FormDraft = Readonly<Record<string, string | boolean>>;

/** What stands in the fields at first: their defaults. */
export function draftOf({ fields = [] }: Presentation): FormDraft {
  const entries = fields.flatMap((field): [string, string | boolean][] => {
    const entry = entryOf(field);
    return entry === undefined ? [] : [[field.name, entry]];
  });
  return Object.fromEntries(entries);
}

function entryOf({ type, default: preset }: PresentationField): string | boolean | undefined {
  if (preset === undefined || preset === null) return undefined;
  if (type === "boolean") return typeof preset === "boolean" ? preset : undefined;
  if (Array.isArray(preset)) return preset.filter((each) => typeof each === "string").join(", ");
  return typeof preset === "object" ? undefined : String(preset);
}

/** The values of a form: what is sent. */
export function valuesOf({ fields = [] }: Presentation, draft: FormDraft): Record<string, JsonValue> {
  const entries = fields.flatMap((field): [string, JsonValue][] => {
    const value = Object.hasOwn(draft, field.name) ? valueOf(field, draft[field.name] ?? "") : undefined;
    return value === undefined ? [] : [[field.name, value]];
  });
  return Object.fromEntries(entries);
}

function valueOf({ type, default: preset }: PresentationField, entry: string | boolean): JsonValue | undefined {
  if (typeof entry === "boolean") return entry;
  switch (type) {
    case "string":
      return entry === "" && !preset ? undefined : entry;
    case "number":
      return numberOf(entry);
    case "file":
      return listOf(entry, Boolean(preset));
    default:
      return entry === "" ? undefined : entry;
  }
}

function numberOf(entry: string): JsonValue | undefined {
  const text = entry.trim();
  const value = Number(text);
  return text === "" ? undefined : Number.isFinite(value) ? value : entry;
}

/** The ids of files in a text, with commas or spaces between them. */
export function idsIn(entry: string): string[] {
  return entry.split(/[\s,]+/).filter(Boolean);
}

function listOf(entry: string, isPreset: boolean): JsonValue | undefined {
  const ids = idsIn(entry);
  return ids.length === 0 && !isPreset ? undefined : ids;
}
