/** A form that a step waits for. */

import { useMemo } from "react";
import { JsonForm } from "../forms/lazy.tsx";
import { schemaOf } from "../forms/fields.ts";
import type { StepQuestion } from "./confirmation.tsx";
import { useDecide } from "./use-decide.ts";

/** The form of `user_input_schema`. */
export function InputForm({ question, isBusy }: { question: StepQuestion; isBusy: boolean }) {
  const { send, faults } = useDecide(question.id);
  const schema = useMemo(() => schemaOf(question.requirement.user_input_schema ?? []), [question.requirement]);
  return (
    <JsonForm
      draft={`${question.id}/form`}
      schema={schema}
      label={question.requirement.user_input_message ?? "Form"}
      submit="Send"
      isBusy={isBusy}
      faults={faults}
      onSubmit={(values) => send({ user_input: values })}
    />
  );
}
