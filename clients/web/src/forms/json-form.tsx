/**
 * A form for a JSON Schema.
 *
 * Laws:
 * - What is wrong is told at its field: what can be seen here before anything is sent, and what the server says after.
 * - What was filled in stays until it was taken. A field that can't be read is never sent as if it were empty.
 */

import { useEffect, useMemo, useRef, useState } from "react";
// Not from "@rjsf/core" itself, which asks for a validator that makes code.
import Form from "@rjsf/core/lib/components/Form.js";
import type { FieldFault, JsonValue } from "@interlock/client";
import type { Schema } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import { errorsOf } from "./faults.ts";
import { looksOf, simplified } from "./simplified.ts";
import { fields, templates, widgets } from "./theme.tsx";
import { validator } from "./validator.ts";

/** What a `JsonForm` takes. */
export interface JsonFormProps {
  /** Where what is filled in is kept, while the form isn't on the page. */
  draft: string;
  schema: Schema;
  /** What screen readers call the form. */
  label: string;
  /** What the button says. */
  submit: string;
  isBusy: boolean;
  /** What the server says is wrong. */
  faults: readonly FieldFault[];
  onSubmit: (values: Record<string, JsonValue>) => void;
}

type Values = Record<string, unknown> | undefined;

let forms = 0;

/** The form. */
export default function JsonForm({ draft, schema, label, submit, isBusy, faults, onSubmit }: JsonFormProps) {
  const [prefix] = useState(() => `form${(forms += 1)}`);
  const [values, setValues] = useDraft<Values>(draft, undefined);
  const box = useRef<HTMLDivElement>(null);
  const plain = useMemo(() => simplified(withoutTitle(schema)), [schema]);
  const looks = useMemo(() => ({ ...looksOf(plain), "ui:submitButtonOptions": { norender: true } }), [plain]);
  const errors = useMemo(() => errorsOf(faults), [faults]);
  useEffect(() => {
    if (faults.length > 0) focusFirstFault(box.current);
  }, [faults]);
  const wholeFault = errors.__errors?.join(" ");
  return (
    <div ref={box} role="group" aria-label={label}>
      <Form<Values>
        schema={plain}
        uiSchema={looks}
        validator={validator}
        formData={values}
        fields={fields}
        templates={templates}
        widgets={widgets}
        idPrefix={prefix}
        className="stack form"
        extraErrors={errors}
        extraErrorsBlockSubmit={false}
        showErrorList={false}
        noHtml5Validate
        // Nobody has said no by not saying yes.
        experimental_defaultFormStateBehavior={{ requiredBooleanDefault: "skip" }}
        disabled={isBusy}
        onChange={({ formData }) => setValues(formData)}
        onError={() => setTimeout(() => focusFirstFault(box.current))}
        onSubmit={({ formData }) => !focusUnreadable(box.current) && onSubmit(given(formData))}
      >
        {wholeFault && <p className="fault">{wholeFault}</p>}
        <div className="actions">
          <Button type="submit" tone="primary" isPending={isBusy}>
            {submit}
          </Button>
        </div>
      </Form>
    </div>
  );
}

/** What was filled in; what is left out takes its default. */
function given(values: Values): Record<string, JsonValue> {
  return JSON.parse(JSON.stringify(values ?? {})) as Record<string, JsonValue>;
}

function withoutTitle({ title: _title, description: _description, ...rest }: Schema): Schema {
  return rest;
}

/** What can't be read as JSON isn't left out in silence. Whether there is such a field. */
function focusUnreadable(box: HTMLElement | null): boolean {
  const field = box?.querySelector<HTMLElement>("[data-unreadable]");
  field?.focus();
  return field !== undefined && field !== null;
}

function focusFirstFault(box: HTMLElement | null): void {
  const wrong = box?.querySelector("[aria-invalid=true]");
  const field = wrong?.matches("input, select, textarea") ? wrong : wrong?.querySelector("input, select, textarea");
  (field as HTMLElement | null | undefined)?.focus();
}
