/** The fields of a JSON Schema, as parts of a larger form: what is filled in is told at once, and nothing is submitted. */

import { useMemo, useState } from "react";
// Not from "@rjsf/core" itself, which asks for a validator that makes code.
import Form from "@rjsf/core/lib/components/Form.js";
import type { JsonValue } from "@interlock/client";
import type { Schema } from "../session/workflows.ts";
import { looksOf, simplified } from "./simplified.ts";
import { fields, templates, widgets } from "./theme.tsx";
import { validator } from "./validator.ts";

/** What a `ValueForm` takes. */
export interface ValueFormProps {
  schema: Schema;
  values: Readonly<Record<string, JsonValue>>;
  onChange: (values: Record<string, JsonValue>) => void;
}

type Values = Record<string, unknown> | undefined;

let forms = 0;

/** The fields. */
export default function ValueForm({ schema, values, onChange }: ValueFormProps) {
  const [prefix] = useState(() => `values${(forms += 1)}`);
  const plain = useMemo(() => simplified(schema), [schema]);
  const looks = useMemo(() => ({ ...looksOf(plain), "ui:submitButtonOptions": { norender: true } }), [plain]);
  const change = (filled: Values) => {
    const next = JSON.parse(JSON.stringify(filled ?? {})) as Record<string, JsonValue>;
    if (JSON.stringify(next) !== JSON.stringify(values)) onChange(next);
  };
  return (
    <Form<Values>
      tagName="div"
      schema={plain}
      uiSchema={looks}
      validator={validator}
      formData={values}
      fields={fields}
      templates={templates}
      widgets={widgets}
      idPrefix={prefix}
      className="stack form"
      showErrorList={false}
      noHtml5Validate
      // What isn't filled in isn't there.
      experimental_defaultFormStateBehavior={{ requiredBooleanDefault: "skip", emptyObjectFields: "skipDefaults" }}
      onChange={({ formData }) => change(formData)}
    />
  );
}
