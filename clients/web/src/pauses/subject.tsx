/**
 * What a question is about, so that nobody decides blind: what the step gets, or else the message of the run.
 *
 * Laws:
 * - It is there without a click, wherever the card is shown.
 */

import type { JsonValue } from "@interlock/client";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";
import type { Question } from "./history.ts";
import { useScene } from "./run-context.ts";

/** The subject of a question: its name, and what it is; null where there is none beside what the form shows. */
export function subjectOf(question: Question, input: JsonValue | undefined): { name: string; value: JsonValue } | null {
  const gets = question.kind === "error_decision" ? undefined : question.requirement.step_input;
  if (textOfValue(gets) !== "") return { name: "What the step gets", value: gets ?? null };
  return textOfValue(input) === "" ? null : { name: "The run’s message", value: input ?? null };
}

/** The subject, readable. */
export function Subject({ question }: { question: Question }) {
  const { view } = useScene();
  const subject = subjectOf(question, view.input ?? undefined);
  if (subject === null) return null;
  const { name, value } = subject;
  return (
    <div className="subject" role="group" aria-label={name}>
      <p className="hint">{name}</p>
      <Folded text={textOfValue(value)} what="subject" code={typeof value !== "string"} />
    </div>
  );
}
