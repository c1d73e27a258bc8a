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

/** A part of a subject. */
export interface Part {
  readonly name: string;
  readonly value: JsonValue;
}

const NAMES: Readonly<Record<string, string>> = {
  input: "The run’s message",
  previous_step_content: "What the step before gave",
};

/** The subject of a question, part by part; empty where there is nothing beside what the form shows. */
export function subjectOf(question: Question, input: JsonValue | undefined): Part[] {
  const gets = question.kind === "error_decision" ? undefined : question.requirement.step_input;
  const parts = partsOf(gets);
  return parts.length > 0 ? parts : named({ input: input ?? null });
}

function partsOf(gets: JsonValue | undefined): Part[] {
  if (isObject(gets) && "input" in gets && "previous_step_content" in gets) return named(gets);
  return textOfValue(gets) === "" ? [] : [{ name: "What the step gets", value: gets ?? null }];
}

/** What says something, under names that people read; what is said twice is shown once. */
function named(facts: Readonly<Record<string, JsonValue>>): Part[] {
  const texts = new Set<string>();
  return Object.entries(facts).flatMap(([key, value]) => {
    const text = textOfValue(value);
    if (text === "" || texts.has(text)) return [];
    texts.add(text);
    return [{ name: NAMES[key] ?? key, value }];
  });
}

/** The subject, readable. */
export function Subject({ question }: { question: Question }) {
  const { view } = useScene();
  const parts = subjectOf(question, view.input ?? undefined);
  return parts.map(({ name, value }) => (
    <div key={name} className="subject" role="group" aria-label={name}>
      <p className="hint">{name}</p>
      <Readable value={value} />
    </div>
  ));
}

const MOST_FACTS = 12;
const MOST_FACT = 300;

/** A few facts as a list, text as text, and all else as JSON. */
function Readable({ value }: { value: JsonValue }) {
  const facts = factsOf(value);
  if (facts === null) return <Folded text={textOfValue(value)} what="subject" code={typeof value !== "string"} />;
  return (
    <dl className="facts args">
      {facts.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

/** The fields of a flat object, each short enough for a line or a few. */
function factsOf(value: JsonValue): [string, string][] | null {
  if (!isObject(value)) return null;
  const entries = Object.entries(value);
  const isFlat = entries.every(
    ([, each]) => (each === null || typeof each !== "object") && textOfValue(each).length <= MOST_FACT,
  );
  if (!isFlat || entries.length === 0 || entries.length > MOST_FACTS) return null;
  return entries.map(([name, each]) => [name, textOfValue(each)]);
}

function isObject(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
