/**
 * The fields of a `WorkflowForm`.
 *
 * Laws:
 * - Each has a label that can be seen, and says what is wrong with it, to screen readers, too.
 * - What a field needs is told and never enforced by the browser: that is for `faultsOf`, which says it in words.
 * - A required yes or no is two buttons, so that nobody says no by not saying yes; an optional one is a checkbox.
 */

import type { ComponentProps } from "react";
import { MAX_FILES } from "../answers.js";
import { labelOf, type PresentationField } from "../presentations.js";
import { FilesField, sizeOf, type FormFiles } from "./formFiles.js";
import { classOf, type FormClassNames, type FormPart } from "./formStyle.js";

/** What a field takes. */
export interface FormFieldProps {
  field: PresentationField;
  /** Begins the ids of its elements. */
  id: string;
  entry: string | boolean | undefined;
  /** What is wrong, as a sentence. */
  fault: string | undefined;
  classNames: FormClassNames | undefined;
  /** Where files are uploaded to; without it, a field for files takes their ids as text. */
  files?: FormFiles | undefined;
  /** Takes what stands in it now, or what makes that of what stood in it until now. */
  onChange: (entry: Entry) => void;
}

/** What stands in a field; or what makes it of what stood there, which may have changed since. */
export type Entry = string | boolean | ((before: string | boolean | undefined) => string);

interface ControlProps extends FormFieldProps {
  /** What all controls have alike. */
  common: {
    id: string;
    name: string;
    className: string;
    required: boolean;
    "aria-invalid": boolean;
    "aria-describedby": string | undefined;
  };
}

/** A field with its label, what it is for, and what is wrong with it. */
export function FormField(props: FormFieldProps) {
  const { field, id, fault, classNames } = props;
  const style = (part: FormPart) => classOf(classNames, part);
  const hint = hintOf(field, props.files !== undefined);
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ");
  const common = {
    id,
    name: field.name,
    className: style("input"),
    required: field.required === true,
    "aria-invalid": fault !== undefined,
    "aria-describedby": described === "" ? undefined : described,
  };
  return (
    <div className={style("field")}>
      {isYesOrNo(field) ? (
        <YesOrNo {...props} common={common} />
      ) : field.type === "boolean" ? (
        <Checkbox {...props} common={common} />
      ) : (
        <>
          <label className={style("label")} htmlFor={id}>
            <Label field={field} />
          </label>
          <Control {...props} common={common} />
        </>
      )}
      {hint && (
        <span className={style("hint")} id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {fault && (
        <span className={style("fault")} id={`${id}-fault`}>
          {fault}
        </span>
      )}
    </div>
  );
}

/** Whether it asks for a yes or a no, and for one of them certainly. */
function isYesOrNo({ type, required, default: preset }: PresentationField): boolean {
  return type === "boolean" && required === true && typeof preset !== "boolean";
}

/** The name of a field; the mark isn't read out, since its control says that it is required. */
function Label({ field }: { field: PresentationField }) {
  return (
    <>
      {labelOf(field)}
      {field.required === true && <span aria-hidden> *</span>}
    </>
  );
}

function Control({ field, entry, onChange, common, files, classNames }: ControlProps) {
  const input = {
    ...common,
    value: typeof entry === "string" ? entry : "",
    onChange: (event: { target: { value: string } }) => onChange(event.target.value),
  };
  switch (field.type) {
    case "number":
      return <input {...input} type="number" min={field.min} max={field.max} step={field.step ?? "any"} />;
    case "date":
      return <input {...input} type="date" min={field.minDate} max={field.maxDate} />;
    case "select":
      return <Select field={field} input={input} />;
    case "string":
      if (field.multiline) return <textarea {...input} rows={4} placeholder={field.placeholder} />;
      return <input {...input} type="text" placeholder={field.placeholder} />;
    default:
      if (files) return <FilesField {...{ field, entry, onChange, common, files, classNames }} />;
      return <input {...input} type="text" autoComplete="off" spellCheck={false} />;
  }
}

/** A default can't be taken back: what isn't given is the default. */
function Select({ field, input }: { field: PresentationField; input: ComponentProps<"select"> }) {
  const { options = [], default: preset } = field;
  const isPreset = options.some((option) => option.value === preset);
  return (
    <select {...input}>
      {!isPreset && <option value="">Select…</option>}
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {labelOf(option)}
        </option>
      ))}
    </select>
  );
}

function Checkbox({ field, entry, classNames, onChange, common }: ControlProps) {
  const { className: _class, required: _required, ...rest } = common;
  return (
    <label className={classOf(classNames, "option")}>
      <input {...rest} type="checkbox" checked={entry === true} onChange={(event) => onChange(event.target.checked)} />
      <span>
        <Label field={field} />
      </span>
    </label>
  );
}

function YesOrNo({ field, id, entry, classNames, onChange, common }: ControlProps) {
  return (
    <div
      role="radiogroup"
      aria-labelledby={`${id}-label`}
      aria-required
      aria-invalid={common["aria-invalid"]}
      aria-describedby={common["aria-describedby"]}
    >
      <span className={classOf(classNames, "label")} id={`${id}-label`}>
        <Label field={field} />
      </span>
      {[true, false].map((answer) => (
        <label key={`${answer}`} className={classOf(classNames, "option")}>
          <input
            type="radio"
            id={`${id}-${answer}`}
            name={id}
            checked={entry === answer}
            onChange={() => onChange(answer)}
          />
          <span>{answer ? "Yes" : "No"}</span>
        </label>
      ))}
    </div>
  );
}

/** What a field takes, where its control doesn't show it. */
export function hintOf(field: PresentationField, isUploaded = false): string | undefined {
  const parts = [...boundsOf(field, isUploaded), ...presetOf(field)];
  return parts.length > 0 ? parts.join(" ") : undefined;
}

function boundsOf(field: PresentationField, isUploaded: boolean): string[] {
  const { type, min, max, minDate, maxDate, accept, maxSize } = field;
  switch (type) {
    case "number":
      return range(min, max);
    case "date":
      return range(minDate, maxDate);
    case "file": {
      const limits = [accept, maxSize === undefined ? undefined : `at most ${sizeOf(maxSize)}`].filter(Boolean);
      const which = limits.length > 0 ? ` (${limits.join(", ")})` : "";
      if (isUploaded) return [`Up to ${MAX_FILES} files${which}.`];
      return [`The ids of up to ${MAX_FILES} files${which}, with commas between them.`];
    }
    default:
      return [];
  }
}

function range(from: number | string | undefined, to: number | string | undefined): string[] {
  if (from !== undefined && to !== undefined) return [`From ${from} to ${to}.`];
  if (from !== undefined) return [`${from} or more.`];
  return to === undefined ? [] : [`Up to ${to}.`];
}

/** Of a number and a date, what counts where the field is emptied. */
function presetOf({ type, default: preset }: PresentationField): string[] {
  const isTold = (type === "number" && typeof preset === "number") || (type === "date" && typeof preset === "string");
  return isTold ? [`Without an answer, it is ${preset}.`] : [];
}
