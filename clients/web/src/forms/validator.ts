/**
 * What the form library asks of a validator, by one that makes no code: the page's policy forbids `eval`.
 *
 * Laws:
 * - It spares a round trip; the server checks everything itself.
 * - A sentence for each wrong field, once.
 */

import { Validator, type OutputUnit, type Schema as JsonSchema } from "@cfworker/json-schema";
import {
  toErrorSchema,
  type RJSFSchema,
  type RJSFValidationError,
  type ValidationData,
  type ValidatorType,
} from "@rjsf/utils";

type Values = Record<string, unknown> | undefined;

/** The validator of all forms. */
export const validator: ValidatorType<Values> = {
  validateFormData(values, schema): ValidationData<Values> {
    const errors = faultsOf(schema, values);
    return { errors, errorSchema: toErrorSchema(errors) };
  },
  isValid(schema, values, root) {
    const whole = { ...schema, ...(root.$defs ? { $defs: root.$defs } : {}) };
    return new Validator(whole as JsonSchema, "2020-12").validate(values ?? null).valid;
  },
  rawValidation(schema, values) {
    return { errors: faultsOf(schema, values) as never[] };
  },
};

/** What is wrong with the values of a form. */
export function faultsOf(schema: RJSFSchema, values: Values): RJSFValidationError[] {
  const { errors } = new Validator(schema as JsonSchema, "2020-12", false).validate(withoutGaps(values ?? {}));
  const found = new Map<string, RJSFValidationError>();
  for (const unit of errors.flatMap(faultsOfUnit)) {
    if (unit.property !== undefined && !found.has(unit.property)) found.set(unit.property, unit);
  }
  return [...found.values()];
}

const SENTENCES: Readonly<Record<string, string>> = {
  type: "This is of the wrong type.",
  enum: "Select one of the values.",
  const: "This value isn't accepted.",
  minimum: "This is too small.",
  exclusiveMinimum: "This is too small.",
  maximum: "This is too large.",
  exclusiveMaximum: "This is too large.",
  multipleOf: "This number isn't accepted.",
  minLength: "This is too short.",
  maxLength: "This is too long.",
  pattern: "This isn't written as it should be.",
  format: "This isn't written as it should be.",
  minItems: "There are too few.",
  maxItems: "There are too many.",
  uniqueItems: "One of these is there twice.",
  additionalProperties: "There is a field that isn't known.",
  anyOf: "None of the ways to fill this in fits.",
  oneOf: "This has to fit exactly one of the ways to fill it in.",
};

function faultsOfUnit({ keyword, error, instanceLocation }: OutputUnit): RJSFValidationError[] {
  const path = instanceLocation.replace(/^#\/?/, "").split("/").filter(Boolean).map(decoded);
  if (keyword === "required") {
    const name = /"([^"]*)"/.exec(error)?.[1];
    const property = [...path, ...(name === undefined ? [] : [name])].join(".");
    return [{ name: keyword, property: `.${property}`, message: "This field is required.", stack: property }];
  }
  const sentence = SENTENCES[keyword];
  if (sentence === undefined) return [];
  return [{ name: keyword, property: `.${path.join(".")}`, message: sentence, stack: path.join(".") }];
}

function decoded(part: string): string {
  return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
}

/** The values without those that aren't there: JSON has no `undefined`. */
function withoutGaps(values: object): unknown {
  return JSON.parse(JSON.stringify(values));
}
