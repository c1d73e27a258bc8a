/** What of a question can be answered by itself. */

import type { Question } from "./history.ts";

/** The ids: the question's, and those of its tools. */
export function answerableIn(question: Question): string[] {
  const tools = question.kind === "error_decision" ? [] : (question.requirement.executor_requirements ?? []);
  return [question.id, ...tools.map((tool) => tool.id)];
}
