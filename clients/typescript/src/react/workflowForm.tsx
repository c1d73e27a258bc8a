/**
 * What a halt of a state machine shows a person, and their answer: a form, a choice, or a message.
 *
 * Laws:
 * - It knows nothing of the client: it takes a presentation, and gives the answer to `onSubmit`.
 * - What is wrong is told at its field: what can be seen here before anything is sent, and what the server says after
 *   (`faults`), until that field is changed. The first wrong field gets the focus.
 * - While an answer is under way (`isSubmitting`) no other is given, and nothing loses the focus.
 * - Another presentation is another form; the same one shown for another halt needs a `key` of its own.
 */

import { useEffect, useId, useRef, useState, type SyntheticEvent } from "react";
import { faultsOf } from "../answers.js";
import type { FieldFault } from "../errors.js";
import { CHOICE, labelOf, type Presentation } from "../presentations.js";
import type { JsonValue } from "../protocol.js";
import { draftOf, valuesOf, type FormDraft } from "./formDraft.js";
import { FormField, type Entry } from "./formField.js";
import type { FormFiles } from "./formFiles.js";
import { classOf, type FormClassNames } from "./formStyle.js";

/** What a `WorkflowForm` takes. */
export interface WorkflowFormProps {
  /** Of `Instance.halting_presentation`, or made by `presentationOf` of a requirement. */
  presentation: Presentation;
  /** Takes the answer: the values of a form, `{ choice: value }`, or nothing for a message. */
  onSubmit: (input: Record<string, JsonValue>) => void;
  onCancel?: (() => void) | undefined;
  /** An answer is under way. */
  isSubmitting?: boolean | undefined;
  /** Where files are uploaded to, such as `client.files`; without it, fields for files take ids as text. */
  files?: FormFiles | undefined;
  /** What the server says is wrong: `InterlockError.fields`. */
  faults?: readonly FieldFault[] | undefined;
  /** What was typed into it before, and what takes each change of that: to keep it while the form isn't on the page. */
  draft?: FormDraft | undefined;
  onDraft?: ((draft: FormDraft) => void) | undefined;
  /** What the buttons say; "Submit", "Continue" for a message, and "Cancel" by default. */
  submitLabel?: string | undefined;
  cancelLabel?: string | undefined;
  /** Which heading the title is; `h3` by default. */
  heading?: "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | undefined;
  classNames?: FormClassNames | undefined;
}

const NONE: readonly FieldFault[] = [];
const WRAPPED = { whiteSpace: "pre-wrap" } as const;

/** The presentation of a halt. */
export function WorkflowForm(props: WorkflowFormProps) {
  return <Shown key={JSON.stringify(props.presentation)} {...props} />;
}

interface BodyProps extends WorkflowFormProps {
  /** Begins the ids of its elements. */
  id: string;
  /** What names it for screen readers. */
  label: { "aria-labelledby": string } | { "aria-label": string };
}

function Shown(props: WorkflowFormProps) {
  const id = useId();
  const { presentation, heading: Heading = "h3", classNames } = props;
  const { type, title, description, message } = presentation;
  const named = title ? "title" : message && type !== "form" ? "message" : null;
  const label = named === null ? { "aria-label": "Your answer" } : { "aria-labelledby": `${id}-${named}` };
  return (
    <div className={classOf(classNames, "root")}>
      {title && (
        <Heading className={classOf(classNames, "title")} id={`${id}-title`}>
          {title}
        </Heading>
      )}
      {description && (
        <p className={classOf(classNames, "description")} style={WRAPPED}>
          {description}
        </p>
      )}
      {message && type !== "form" && (
        <p className={classOf(classNames, "message")} id={`${id}-message`} style={WRAPPED}>
          {message}
        </p>
      )}
      {type === "form" && <Form {...props} id={id} label={label} />}
      {type === "choice" && <Choice {...props} id={id} label={label} />}
      {type === "message" && <Message {...props} />}
    </div>
  );
}

function Form(props: BodyProps) {
  const { presentation, id, label, isSubmitting = false, classNames, onSubmit } = props;
  const [draft, write] = useFormDraft(props);
  const { faults, told, tell, drop } = useFaults(isSubmitting ? NONE : props.faults);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (told > 0) focusFirstFault(form.current);
  }, [told]);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (isSubmitting) return;
    const values = valuesOf(presentation, draft);
    const found = faultsOf(presentation, { ...values, ...unreadable(form.current) });
    const busy = uploading(form.current);
    const all = [...busy, ...found.filter(({ field }) => busy.every((each) => each.field !== field))];
    tell(all);
    if (all.length === 0) onSubmit(values);
  };
  const fields = presentation.fields ?? [];
  const names = new Set(fields.map(({ name }) => name));
  return (
    <form ref={form} {...label} noValidate aria-busy={isSubmitting} onSubmit={submit}>
      <WholeFaults faults={faults.filter(({ field }) => !names.has(field))} classNames={classNames} />
      <div className={classOf(classNames, "fields")}>
        {fields.map((field, place) => (
          <FormField
            key={field.name}
            field={field}
            id={`${id}-${place}`}
            entry={draft[field.name]}
            fault={faults.find((fault) => fault.field === field.name)?.error}
            classNames={classNames}
            files={props.files}
            onChange={(entry) => {
              write(field.name, entry);
              drop(field.name);
            }}
          />
        ))}
      </div>
      <Actions {...props} submit="Submit" />
    </form>
  );
}

function Choice(props: BodyProps) {
  const { presentation, id, label, isSubmitting = false, faults = [], classNames, onSubmit } = props;
  return (
    <div role="group" {...label} aria-busy={isSubmitting}>
      <WholeFaults faults={faults} classNames={classNames} />
      <div className={classOf(classNames, "actions")}>
        {presentation.options?.map((option, place) => (
          <span key={option.value} className={classOf(classNames, "option")}>
            <button
              type="button"
              className={classOf(classNames, "choice")}
              aria-disabled={isSubmitting}
              aria-describedby={option.description ? `${id}-${place}` : undefined}
              onClick={() => isSubmitting || onSubmit({ [CHOICE]: option.value })}
            >
              {labelOf(option)}
            </button>
            {option.description && (
              <span className={classOf(classNames, "hint")} id={`${id}-${place}`}>
                {option.description}
              </span>
            )}
          </span>
        ))}
      </div>
      {props.onCancel && (
        <div className={classOf(classNames, "actions")}>
          <Cancel {...props} />
        </div>
      )}
    </div>
  );
}

/** A message; where nothing else is at work, a person says when to go on. */
function Message(props: WorkflowFormProps) {
  const { presentation, isSubmitting = false, faults = [], classNames, onSubmit } = props;
  const isAtWork = presentation.show_progress === true;
  return (
    <>
      {isAtWork && <progress className={classOf(classNames, "progress")} aria-label="In progress" />}
      <WholeFaults faults={faults} classNames={classNames} />
      {isAtWork ? (
        props.onCancel && <Cancel {...props} />
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (!isSubmitting) onSubmit({});
          }}
        >
          <Actions {...props} submit="Continue" />
        </form>
      )}
    </>
  );
}

function Actions(props: WorkflowFormProps & { submit: string }) {
  const { submit, submitLabel = submit, isSubmitting = false, classNames } = props;
  return (
    <div className={classOf(classNames, "actions")}>
      {/* Not `disabled`, which would take the focus away. */}
      <button type="submit" className={classOf(classNames, "submit")} aria-disabled={isSubmitting}>
        {isSubmitting ? "Submitting…" : submitLabel}
      </button>
      {props.onCancel && <Cancel {...props} />}
    </div>
  );
}

function Cancel({ cancelLabel = "Cancel", isSubmitting = false, classNames, onCancel }: WorkflowFormProps) {
  return (
    <button
      type="button"
      className={classOf(classNames, "cancel")}
      aria-disabled={isSubmitting}
      onClick={() => isSubmitting || onCancel?.()}
    >
      {cancelLabel}
    </button>
  );
}

/** What is wrong with the answer as a whole, or with what isn't on the page. */
function WholeFaults({
  faults,
  classNames,
}: {
  faults: readonly FieldFault[];
  classNames: FormClassNames | undefined;
}) {
  if (faults.length === 0) return null;
  return (
    <p className={classOf(classNames, "fault")} role="alert">
      {faults.map(({ field, error }) => (field === "" || field === CHOICE ? error : `${field}: ${error}`)).join(" ")}
    </p>
  );
}

function useFormDraft({
  presentation,
  draft: kept,
  onDraft,
}: WorkflowFormProps): [FormDraft, (name: string, entry: Entry) => void] {
  const [draft, setDraft] = useState(() => kept ?? draftOf(presentation));
  const latest = useRef(draft); // an upload may end between two renderings
  const write = (name: string, entry: Entry) => {
    const next = { ...latest.current, [name]: typeof entry === "function" ? entry(latest.current[name]) : entry };
    latest.current = next;
    setDraft(next);
    onDraft?.(next);
  };
  return [draft, write];
}

interface Faults {
  faults: readonly FieldFault[];
  /** How often something was told to be wrong. */
  told: number;
}

/** What is wrong by now: the server's faults are shown when they come, and each until its field is changed. */
function useFaults(given: readonly FieldFault[] = NONE) {
  const text = JSON.stringify(given);
  const [seen, setSeen] = useState("[]");
  const [{ faults, told }, set] = useState<Faults>({ faults: NONE, told: 0 });
  const tell = (found: readonly FieldFault[]) =>
    set((before) => ({ faults: found, told: before.told + (found.length > 0 ? 1 : 0) }));
  if (text !== seen) {
    setSeen(text);
    tell(given);
  }
  const drop = (name: string) =>
    set((before) => ({ ...before, faults: before.faults.filter(({ field }) => field !== name && field !== "") }));
  return { faults, told, tell, drop };
}

/** The fields in which something stands that the browser can't read, and so doesn't give. */
function unreadable(form: HTMLFormElement | null): Record<string, JsonValue> {
  const inputs = form?.querySelectorAll("input") ?? [];
  const bad = [...inputs].filter((input) => input.validity.badInput);
  return Object.fromEntries(bad.map((input) => [input.name, "?"]));
}

/** The fields whose files are still on their way. */
function uploading(form: HTMLFormElement | null): FieldFault[] {
  const inputs = form?.querySelectorAll<HTMLInputElement>("input[data-uploading]") ?? [];
  const error = "A file is still being uploaded; wait a moment, or remove it.";
  return [...inputs].map(({ name }) => ({ field: name, error }));
}

function focusFirstFault(form: HTMLFormElement | null): void {
  const wrong = form?.querySelector<HTMLElement>("[aria-invalid=true]");
  const control = wrong?.matches("input, select, textarea") ? wrong : wrong?.querySelector<HTMLElement>("input");
  control?.focus();
}
