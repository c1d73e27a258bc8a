/** What a question says. */

import type { Pending, PauseKind } from "@interlock/client";
import { isHalt, titleOf } from "./halt.tsx";

const DEFAULTS: Record<PauseKind, string> = {
  confirmation: "Go on?",
  user_input: "Please fill in:",
  route_selection: "Which way?",
  output_review: "Is this right?",
  iteration_review: "Is this right, or once more?",
  executor_input: "May these tools run?",
  error_decision: "What is to be done?",
  signal: "Waits for a signal",
  response: "Please answer:",
  interaction: "Please do this:",
};

/** In words for people, whatever asks. */
export function messageOf(question: Pending): string {
  if (question.kind === "error_decision") return DEFAULTS.error_decision;
  if (question.kind === "signal") return `Waits for the signal ${question.requirement.topic ?? ""}`;
  if (question.kind === "response")
    return question.requirement.interaction?.title ?? question.requirement.user_input_message ?? DEFAULTS.response;
  if (isHalt(question)) return titleOf(question) ?? "Please answer:";
  const { confirmation_message, user_input_message, output_review_message } = question.requirement;
  return confirmation_message ?? user_input_message ?? output_review_message ?? DEFAULTS[question.kind];
}
