/** What the parts of a `WorkflowForm` are called for style sheets. */

/** The parts of a form. */
export type FormPart =
  | "root"
  | "title"
  | "description"
  | "message"
  | "fields"
  | "field"
  | "label"
  | "input"
  | "option"
  | "hint"
  | "fault"
  | "files"
  | "file"
  | "remove"
  | "actions"
  | "submit"
  | "cancel"
  | "choice"
  | "progress";

/** The class of each part; `interlock-form-PART` where none is given. */
export type FormClassNames = Readonly<Partial<Record<FormPart, string>>>;

/** The class of a part. */
export function classOf(classNames: FormClassNames | undefined, part: FormPart): string {
  return classNames?.[part] ?? (part === "root" ? "interlock-form" : `interlock-form-${part}`);
}
