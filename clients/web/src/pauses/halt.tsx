/**
 * What a halt of a state machine asks.
 *
 * Laws:
 * - What its workflow wants to be shown is shown by the component that other pages have, too.
 * - A halt without a form takes what its schema describes, or any object, written as JSON.
 */

import { useMemo } from "react";
import { haltedOptionsOf, presentationOf, type JsonValue, type Presentation } from "@interlock/client";
import { WorkflowForm, type FormClassNames, type FormDraft } from "@interlock/client/react";
import { JsonForm } from "../forms/lazy.tsx";
import { useSession } from "../session/context.ts";
import type { Schema } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import type { StepQuestion } from "./confirmation.tsx";
import { useDecide } from "./use-decide.ts";

/** The looks of the forms that other pages have, too. */
export const CLASSES: FormClassNames = {
  root: "stack",
  description: "halt-text",
  message: "halt-text",
  fields: "stack",
  field: "field",
  label: "label",
  input: "input",
  option: "option native",
  hint: "hint",
  fault: "fault",
  files: "files",
  file: "file",
  remove: "button quiet",
  actions: "actions",
  submit: "button primary",
  cancel: "button plain",
  choice: "button plain",
  progress: "halt-progress",
};

/** Whether a question is one of a state machine. */
export function isHalt({ requirement }: Pick<StepQuestion, "requirement">): boolean {
  return requirement.halt_id !== undefined || presentationOf(requirement) !== null;
}

/** What heads the card of a halt; null where it has no title. */
export function titleOf({ requirement }: Pick<StepQuestion, "requirement">): string | null {
  return presentationOf(requirement)?.title ?? haltedOptionsOf(requirement.halted_options)?.title ?? null;
}

/** The form of a halt. */
export function HaltForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const presentation = useMemo(() => presentationOf(question.requirement), [question.requirement]);
  if (presentation === null) return <FreeForm question={question} isBusy={isBusy} />;
  return <Presented question={question} presentation={presentation} isBusy={isBusy} />;
}

function Presented(props: { question: StepQuestion; presentation: Presentation; isBusy: boolean }) {
  const { question, isBusy } = props;
  const { title: _title, ...presentation } = props.presentation; // the card has it
  const { send, faults } = useDecide(question.id);
  const { client } = useSession();
  const [draft, setDraft] = useDraft<FormDraft | undefined>(`${question.id}/halt`, undefined);
  const goOn = (input: Record<string, JsonValue>) => send({ user_input: input });
  return (
    <>
      <WorkflowForm
        presentation={presentation}
        onSubmit={goOn}
        files={client?.files}
        isSubmitting={isBusy}
        faults={faults}
        draft={draft}
        onDraft={setDraft}
        classNames={CLASSES}
      />
      {presentation.type === "message" && presentation.show_progress === true && (
        <div className="actions">
          <Button tone="quiet" isPending={isBusy} onPress={() => goOn({})}>
            Go on without waiting
          </Button>
        </div>
      )}
    </>
  );
}

const ANYTHING: Schema = { type: "object", properties: { data: { type: "object", title: "Data" } } };

function FreeForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const { send, faults } = useDecide(question.id);
  const { accepts, halted_options } = question.requirement;
  const instruction = haltedOptionsOf(halted_options)?.instruction;
  const schema = hasProperties(accepts) ? accepts : null;
  const given = (values: Record<string, JsonValue>) =>
    schema ? values : hasKeys(values["data"]) ? values["data"] : {};
  return (
    <>
      {instruction && <p className="halt-text">{instruction}</p>}
      <JsonForm
        draft={`${question.id}/form`}
        schema={schema ?? ANYTHING}
        label="Your answer"
        submit="Send"
        isBusy={isBusy}
        faults={faults}
        onSubmit={(values) => send({ user_input: given(values) })}
      />
    </>
  );
}

function hasProperties(schema: JsonValue | undefined): schema is Schema {
  return hasKeys(schema) && hasKeys(schema["properties"]);
}

function hasKeys(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
