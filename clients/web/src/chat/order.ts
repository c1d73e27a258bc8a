/**
 * What is in a step, in the order in which it came: cards, pieces of text, steps in it. Pure.
 *
 * Laws:
 * - The index of an event is its place. A card stands where its question was asked.
 * - Text that is one piece stays one.
 */

import type { StepView } from "@interlock/client";
import type { Question } from "../pauses/history.ts";

/** Something in a step. */
export type Part =
  | { readonly is: "card"; readonly key: string; readonly question: Question }
  | { readonly is: "step"; readonly key: string; readonly step: StepView }
  | { readonly is: "text"; readonly key: string; readonly text: string; readonly isLast: boolean };

interface Placed {
  at: number;
  part: Part;
}

/** The cards and the steps directly in a node, by the index of their first event. */
export function inOrder(
  questions: readonly Question[],
  children: readonly StepView[],
  first: ReadonlyMap<string, number>,
): Part[] {
  const cards: Placed[] = questions.map((question) => ({ at: question.index, part: cardOf(question) }));
  let last = -1;
  const steps = children.map((step): Placed => {
    // One that is known by what is in it only stands where that does.
    last = first.get(step.key) ?? last;
    return { at: last, part: { is: "step", key: step.key, step } };
  });
  return [...cards, ...steps].sort((a, b) => a.at - b.at).map(({ part }) => part);
}

function cardOf(question: Question): Part {
  return { is: "card", key: question.id, question };
}

/** The text of a step, with its cards between the pieces; an output that isn't what was streamed comes last. */
export function inText(step: StepView, output: string, questions: readonly Question[]): Part[] {
  if (step.pieces.length === 0 || !isText(step)) {
    const before = questions.filter((each) => isBeforeWork(each, step));
    const after = questions.filter((each) => !before.includes(each));
    return [...before.map(cardOf), ...textOf(output), ...after.map(cardOf)];
  }
  if (questions.length === 0) return textOf(output);
  const streamed = streamedBy(step);
  const rest = streamed === output ? [] : textOf(output, streamed.length);
  return [...woven(step, streamed, questions), ...rest];
}

function streamedBy(step: StepView): string {
  let text = "";
  for (const { content } of step.pieces) if (typeof content === "string") text += content;
  return text;
}

/** Whether a question was asked before the step did what it did. */
function isBeforeWork(question: Question, step: StepView): boolean {
  const begun = step.attempts.at(-1)?.startedAt ?? null;
  if (question.kind === "confirmation" || question.kind === "user_input") return true;
  return begun === null || question.askedAt < begun;
}

function woven(step: StepView, text: string, questions: readonly Question[]): Part[] {
  const parts: Part[] = [];
  let [done, at] = [0, 0];
  const pieces = step.pieces;
  for (const question of questions) {
    const from = done;
    for (; at < pieces.length && (pieces.at(at)?.index ?? 0) < question.index; at++) {
      const content = pieces.at(at)?.content;
      if (typeof content === "string") done += content.length;
    }
    if (done > from) parts.push({ is: "text", key: `t${from}`, text: text.slice(from, done), isLast: false });
    parts.push(cardOf(question));
  }
  return [...parts, ...textOf(text.slice(done), done)];
}

function textOf(text: string, from = 0): Part[] {
  return text === "" ? [] : [{ is: "text", key: `t${from}`, text, isLast: true }];
}

function isText(step: StepView): boolean {
  return step.content === undefined || step.content === null || typeof step.content === "string";
}
