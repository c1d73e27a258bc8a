/**
 * The answer to an interaction: yes or no, one or several of its options, a text, or a form.
 *
 * Laws:
 * - What decides is the spec's mode. One that isn't known is told, and not answered.
 * - A comment goes with every answer, and is never asked for.
 */

import { useMemo } from "react";
import type { FieldFault, InteractionSpec, JsonValue, PresentationField } from "@interlock/client";
import { WorkflowForm, type FormDraft } from "@interlock/client/react";
import { JsonForm } from "../forms/lazy.tsx";
import { useSession } from "../session/context.ts";
import type { Schema } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { useDraft } from "../ui/draft.ts";
import { Choice, TextField, type Option } from "../ui/fields.tsx";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";
import type { StepQuestion } from "./confirmation.tsx";
import { CLASSES } from "./halt.tsx";
import { Several } from "./route.tsx";
import { useDecide } from "./use-decide.ts";

interface FormProps {
  id: string;
  spec: InteractionSpec;
  isBusy: boolean;
}

/** The form of an interaction. */
export function InteractionForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const asked = question.requirement.interaction;
  if (asked === undefined) return null;
  const Form = FORMS[asked.spec.mode];
  return (
    <div className="stack">
      {asked.title != null && <p className="halt-text">{asked.message}</p>}
      {asked.context != null && (
        <Disclosed title="What it is about">
          <Folded text={textOfValue(asked.context)} what="context" code />
        </Disclosed>
      )}
      {Form === undefined ? (
        <p className="hint">This page can’t answer it: it is of a kind that a later version has.</p>
      ) : (
        <Form id={question.id} spec={asked.spec} isBusy={isBusy} />
      )}
    </div>
  );
}

/** Sends a response with its comment. */
function useResponse(id: string) {
  const { send, faults } = useDecide(id);
  const [comment, setComment] = useDraft<string>(`${id}/comment`, "");
  const own = useMemo(() => faults.map(within), [faults]);
  const respond = (said: Record<string, JsonValue>) =>
    send({ response: comment.trim() === "" ? said : { ...said, comment } });
  const faultOf = (field: string) => own.find((fault) => fault.field === field)?.error;
  const remark = (
    <TextField label="Comment (optional)" value={comment} onChange={setComment} error={faultOf("comment")} />
  );
  return { respond, faults: own, faultOf, remark };
}

function within(fault: FieldFault): FieldFault {
  return { ...fault, field: fault.field.replace(/^response\.?/, "") };
}

function ConfirmForm({ id, spec, isBusy }: FormProps) {
  const { respond, remark } = useResponse(id);
  return (
    <>
      {remark}
      <div className="actions">
        <Button data-act="approve" tone="primary" isPending={isBusy} onPress={() => respond({ confirmed: true })}>
          {spec.confirm_label ?? "Approve"}
        </Button>
        <Button data-act="reject" isDisabled={isBusy} onPress={() => respond({ confirmed: false })}>
          {spec.reject_label ?? "Reject"}
        </Button>
      </div>
    </>
  );
}

function SelectForm({ id, spec, isBusy }: FormProps) {
  const { respond, faultOf, remark } = useResponse(id);
  const [selected, setSelected] = useDraft<string[]>(`${id}/selected`, []);
  const several = spec.mode === "multi_select";
  const options = optionsOf(spec);
  const field = { options, error: faultOf("selected") };
  return (
    <form
      className="stack"
      aria-label="Your answer"
      onSubmit={(event) => {
        event.preventDefault();
        respond({ selected: several ? selected : (selected[0] ?? "") });
      }}
    >
      {several ? (
        <Several label={howMany(spec, options.length)} value={selected} onChange={setSelected} {...field} />
      ) : (
        <Choice label="Select one" value={selected[0] ?? null} onChange={(key) => setSelected([key])} {...field} />
      )}
      {remark}
      <Send isBusy={isBusy} />
    </form>
  );
}

function optionsOf({ options }: InteractionSpec): Option[] {
  return (options ?? []).map(({ value, label, description }) => ({
    key: value,
    label: label ?? value,
    description: description ?? undefined,
  }));
}

function howMany({ min, max }: InteractionSpec, all: number): string {
  const [least, most] = [min ?? 1, max ?? all];
  if (least === most) return `Select ${least}`;
  return most === all ? `Select at least ${least}` : `Select ${least} to ${most}`;
}

function InputForm({ id, spec, isBusy }: FormProps) {
  if (spec.fields != null) return <FieldsForm id={id} spec={spec} isBusy={isBusy} />;
  if (spec.schema != null) return <SchemaForm id={id} spec={spec} isBusy={isBusy} />;
  return <TextForm id={id} spec={spec} isBusy={isBusy} />;
}

function TextForm({ id, spec, isBusy }: FormProps) {
  const { respond, faultOf } = useResponse(id);
  const [value, setValue] = useDraft<string>(`${id}/value`, "");
  return (
    <form
      className="stack"
      aria-label="Your answer"
      onSubmit={(event) => {
        event.preventDefault();
        respond({ value });
      }}
    >
      <TextField
        label="Your answer"
        value={value}
        onChange={setValue}
        error={faultOf("value")}
        {...(spec.multiline ? { rows: 5 } : {})}
        {...(spec.placeholder == null ? {} : { placeholder: spec.placeholder })}
      />
      <Send isBusy={isBusy} />
    </form>
  );
}

function FieldsForm({ id, spec, isBusy }: FormProps) {
  const { respond, faults, remark } = useResponse(id);
  const { client } = useSession();
  const [draft, setDraft] = useDraft<FormDraft | undefined>(`${id}/fields`, undefined);
  const inForm = faults.map((fault) => ({ ...fault, field: fault.field.replace(/^value\.?/, "") }));
  return (
    <>
      {remark}
      <WorkflowForm
        presentation={{ type: "form", fields: spec.fields as unknown as PresentationField[] }}
        onSubmit={(value) => respond({ value })}
        files={client?.files}
        isSubmitting={isBusy}
        faults={inForm}
        draft={draft}
        onDraft={setDraft}
        classNames={CLASSES}
      />
    </>
  );
}

function SchemaForm({ id, spec, isBusy }: FormProps) {
  const { respond, faults, remark } = useResponse(id);
  const schema: Schema = {
    type: "object",
    properties: { value: { title: "Your answer", ...spec.schema } },
    required: ["value"],
  };
  return (
    <>
      {remark}
      <JsonForm
        draft={`${id}/schema`}
        schema={schema}
        label="Your answer"
        submit="Send"
        isBusy={isBusy}
        faults={faults}
        onSubmit={(values) => respond({ value: values["value"] ?? null })}
      />
    </>
  );
}

function Send({ isBusy }: { isBusy: boolean }) {
  return (
    <div className="actions">
      <Button type="submit" tone="primary" isPending={isBusy}>
        Send
      </Button>
    </div>
  );
}

const FORMS: Partial<Record<string, (props: FormProps) => React.JSX.Element>> = {
  confirm: ConfirmForm,
  select: SelectForm,
  multi_select: SelectForm,
  input: InputForm,
};
