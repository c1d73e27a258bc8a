/**
 * The server's flat forms as JSON Schema: one kind of form for everything.
 *
 * Laws:
 * - Pure. A field type that isn't known is a string, as the protocol says.
 */

import type { JsonValue, UserInputField } from "@interlock/client";
import type { Schema } from "../session/workflows.ts";

const TYPES: Readonly<Record<string, string>> = {
  str: "string",
  int: "integer",
  float: "number",
  bool: "boolean",
  list: "array",
  dict: "object",
};

/** The JSON Schema of a `user_input_schema`. */
export function schemaOf(fields: readonly UserInputField[]): Schema {
  return {
    type: "object",
    properties: Object.fromEntries(fields.map((field) => [field.name, propertyOf(field)])),
    // A default counts as given.
    required: fields.filter((field) => field.required && field.default === null).map((field) => field.name),
    additionalProperties: false,
  };
}

/** The fields with what was given before as what is proposed. */
export function asGiven(fields: readonly UserInputField[]): UserInputField[] {
  return fields.map((field) => (field.value === null ? field : { ...field, default: field.value }));
}

function propertyOf(field: UserInputField): JsonValue {
  const { name, field_type: type, description, allowed_values: allowed, default: preset, secret } = field;
  return {
    type: TYPES[type] ?? "string",
    title: name,
    ...(description ? { description } : {}),
    ...(allowed ? { enum: allowed } : {}),
    ...(preset === null ? {} : { default: preset }),
    ...(secret ? { format: "password", writeOnly: true } : {}),
  };
}
