/**
 * A JSON Schema that a form can be made of.
 *
 * Laws:
 * - Pure. What is valid stays valid.
 * - "Something or null" is something that may be left out: forms have no way to write null.
 * - What no fields can be made for (any value, an object of any keys) is written as JSON.
 */

import type { JsonValue } from "@interlock/client";
import { textOfValue } from "../ui/format.ts";
import type { Schema } from "../session/workflows.ts";

/** How a schema is shown, in the terms of the form library. */
export type Looks = Record<string, unknown>;

/** The schema, without its nulls. */
export function simplified(schema: Schema): Schema {
  const { anyOf, ...rest } = schema;
  const options = Array.isArray(anyOf) ? anyOf.filter((each) => !isNull(each)) : [];
  const [only] = options;
  const merged: Schema =
    options.length === 1 && isSchema(only)
      ? { ...only, ...withoutNullDefault(rest) }
      : options.length > 1
        ? { ...withoutNullDefault(rest), anyOf: options }
        : schema;
  return Object.fromEntries(Object.entries(merged).map(([name, value]) => [name, deeper(name, value)]));
}

function deeper(name: string, value: JsonValue): JsonValue {
  if ((name === "properties" || name === "$defs") && isSchema(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, isSchema(each) ? titled(key, simplified(each)) : each]),
    );
  }
  if (name === "items" && isSchema(value)) return simplified(value);
  if (name === "anyOf" && Array.isArray(value)) return value.map((each) => (isSchema(each) ? simplified(each) : each));
  return value;
}

/** Two fields of one definition are told apart by their own names: the title of a definition says what they are. */
function titled(name: string, schema: Schema): Schema {
  if (!("$ref" in schema) || "title" in schema) return schema;
  return { ...schema, title: name.replace(/_+/g, " ").replace(/(^| )\w/g, (letter) => letter.toUpperCase()) };
}

function withoutNullDefault({ default: preset, ...rest }: Schema): Schema {
  return preset === null || preset === undefined ? rest : { ...rest, default: preset };
}

function isNull(value: JsonValue): boolean {
  return isSchema(value) && value["type"] === "null";
}

function isSchema(value: JsonValue | undefined): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How each part of a simplified schema is shown; `root` has its definitions. */
export function looksOf(schema: Schema, root: Schema = schema, within: readonly string[] = []): Looks {
  const reference = schema["$ref"];
  if (typeof reference === "string") return looksOfReference(reference, root, within);
  const { anyOf } = schema;
  if (Array.isArray(anyOf)) return { anyOf: anyOf.map((each) => (isSchema(each) ? looksOf(each, root, within) : {})) };
  if (!hasFields(schema)) return { "ui:field": "json" };
  if (schema["writeOnly"] === true && schema["format"] === "password")
    return { "ui:widget": "password", "ui:options": { autocomplete: "off" } };
  if (schema["type"] === "boolean" && schema["default"] === undefined)
    return { "ui:widget": "radio", "ui:options": { inline: true } };
  if (typeof schema["maxLength"] !== "number" && isLongText(schema)) return { "ui:widget": "textarea" };
  if (isSchema(schema["items"])) return { items: looksOf(schema["items"], root, within) };
  const properties = schema["properties"];
  if (!isSchema(properties)) return {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [name, isSchema(each) ? looksOf(each, root, within) : {}]),
  );
}

/** A definition within itself is shown as the form library shows it. */
function looksOfReference(reference: string, root: Schema, within: readonly string[]): Looks {
  const name = /^#\/\$defs\/([^/]+)$/.exec(reference)?.[1];
  const definitions = root["$defs"];
  const found = name !== undefined && isSchema(definitions) ? definitions[name] : undefined;
  return isSchema(found) && !within.includes(reference) ? looksOf(found, root, [...within, reference]) : {};
}

const LONG = /text|body|message|comment|feedback|reason|notes?$|description|content/i;

function isLongText(schema: Schema): boolean {
  const free = schema["type"] === "string" && schema["enum"] === undefined && schema["format"] === undefined;
  return free && LONG.test(textOfValue(schema["title"]));
}

function hasFields(schema: Schema): boolean {
  if ("$ref" in schema || "anyOf" in schema || "oneOf" in schema || "allOf" in schema) return true;
  if ("enum" in schema || "const" in schema) return true;
  if (schema["type"] === "object")
    return isSchema(schema["properties"]) && Object.keys(schema["properties"]).length > 0;
  if (schema["type"] === "array") return isSchema(schema["items"]) && hasFields(schema["items"]);
  return typeof schema["type"] === "string";
}

/** Whether a message is better asked for with a form than with a text. */
export function wantsForm(schema: Schema): boolean {
  return Object.keys(schema).length > 0 && schema["type"] !== "string";
}
