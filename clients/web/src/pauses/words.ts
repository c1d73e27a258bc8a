/** What pauses, decisions and their ways are called. */

import type {
  InteractionDelegated,
  InteractionEscalated,
  InteractionReminded,
  JsonValue,
  OnReject,
  PauseKind,
} from "@interlock/client";
import { lineOf, textOfValue } from "../ui/format.ts";

/** What a pause asks for. */
export const ASKS: Record<PauseKind, string> = {
  confirmation: "Confirm",
  user_input: "Fill in",
  route_selection: "Choose a route",
  output_review: "Review the output",
  iteration_review: "Review the iteration",
  executor_input: "Approve tools",
  error_decision: "A step failed",
  signal: "Wait for a signal",
  response: "Answer",
  interaction: "Do it in a widget",
};

/** What a pause asks for, by the name of its flag, as summaries have it. */
export function asksOf(flag: string): string {
  const kind = flag.replace(/^requires_/, "");
  return Object.hasOwn(ASKS, kind) ? ASKS[kind as PauseKind] : "A decision";
}

/** What a rejection does. */
export function rejectionOf(way: OnReject, kind: PauseKind): { label: string; description: string } {
  const review = kind === "output_review" || kind === "iteration_review";
  switch (way) {
    case "skip":
      return review
        ? { label: "Drop it", description: "The step has no output, and the workflow goes on." }
        : { label: "Skip it", description: "It isn't done, and the workflow goes on." };
    case "cancel":
      return { label: "Cancel the run", description: "Nothing more is done." };
    case "else":
      return { label: "Take the other branch", description: "The condition counts as not met." };
    case "retry":
      return { label: "Send it back", description: "It is done again, with your feedback." };
  }
}

/** What happens when a timeout decides. */
export function timeoutOf(way: "cancel" | "skip" | "approve" | undefined): string {
  if (way === "approve") return "Approved";
  return way === "skip" ? "Skipped" : "Run cancelled";
}

/** When an answer is wanted, before the time that is left, or after it is over. */
export function dueOf(left: number): string {
  return left > 0 ? "Due in " : "Overdue by ";
}

/** What happens to a question that nobody answers. */
export function reminderOf(event: InteractionReminded): string {
  return event.reminder === 1 ? "Reminded whoever is asked" : `Reminded for the ${ordinalOf(event.reminder)} time`;
}

/** Who else is asked by now. */
export function escalationOf(event: InteractionEscalated): string {
  return `Escalated to ${event.to.replace(/^group:/, "the group ")}`;
}

/** Who got a question from whom. */
export function delegationOf(event: InteractionDelegated): string {
  const to = event.to.replace(/^group:/, "the group ");
  return event.absent ? `${to} stands in for ${event.delegated_by}` : `${event.delegated_by} handed it to ${to}`;
}

function ordinalOf(number: number): string {
  const teen = number % 100 > 10 && number % 100 < 14;
  const ending = teen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${ending}`;
}

type Facts = Readonly<Record<string, JsonValue>>;

/** A decision in a few words: "Confirmed", "Rejected: send it back", "Chose quick, deep". */
export function decisionOf(decision: Facts, kind: PauseKind | null): string {
  if (Array.isArray(decision["executor_requirements"])) return toolsOf(decision["executor_requirements"]);
  if (Array.isArray(decision["selected_choices"])) return `Chose ${namesOf(decision["selected_choices"])}`;
  if (typeof decision["decision"] === "string") return errorWord(decision["decision"], decision["user_input"]);
  if (typeof decision["signal_id"] === "string") return `Signal ${textOfValue(decision["topic"])}`;
  if (decision["response"] !== undefined) return responseOf(objectOf(decision["response"]));
  if (typeof decision["interaction_event"] === "string") return `Did ${decision["interaction_event"]}`;
  if (typeof decision["outcome"] === "string") return OUTCOMES[decision["outcome"]] ?? decision["outcome"];
  if (decision["user_input"] !== undefined) return chosen(decision["user_input"]) ?? "Filled in";
  if (decision["confirmed"] === true)
    return decision["edited_output"] === undefined ? approved(kind) : "Approved with changes";
  const way = decision["on_reject"];
  const words =
    typeof way === "string" ? `: ${rejectionOf(way as OnReject, kind ?? "confirmation").label.toLowerCase()}` : "";
  return `Rejected${words}`;
}

const OUTCOMES: Record<string, string> = {
  completed: "Everybody answered",
  expired: "Expired",
  unreachable: "No agreement",
  cancelled: "Taken back",
};

/** A response to an interaction. */
function responseOf(response: Facts): string {
  if (typeof response["confirmed"] === "boolean") return response["confirmed"] ? "Approved" : "Rejected";
  const selected = response["selected"];
  if (selected === undefined) return "Answered";
  return `Chose ${Array.isArray(selected) ? namesOf(selected) || "nothing" : textOfValue(selected)}`;
}

/** What was chosen at a halt that asks for a choice and nothing else. */
function chosen(input: JsonValue): string | null {
  const { choice, ...others } = objectOf(input);
  return typeof choice === "string" && Object.keys(others).length === 0 ? `Chose ${choice}` : null;
}

/** Whether somebody said no: rejected, denied, skipped or broken off. That is never shown as a success. */
export function isRefusal(decision: Facts): boolean {
  if (decision["confirmed"] === false || decision["confirmation"] === false) return true;
  if (objectOf(decision["response"])["confirmed"] === false) return true;
  if (decision["decision"] === "skip" || decision["decision"] === "cancel") return true;
  const tools = listOf(decision["executor_requirements"]);
  return tools.length > 0 && tools.every(isRefusal);
}

const ERRORS: Record<string, string> = { retry: "Tried again", skip: "Skipped", cancel: "Cancelled the run" };

function errorWord(decision: string, input: JsonValue | undefined): string {
  return input === undefined ? (ERRORS[decision] ?? decision) : "Tried again with other input";
}

function approved(kind: PauseKind | null): string {
  return kind === "output_review" || kind === "iteration_review" ? "Approved" : "Confirmed";
}

function toolsOf(tools: readonly JsonValue[]): string {
  const words = tools.map((tool) => toolDecisionOf(tool as unknown as Facts));
  return words.length === 1
    ? (words[0] ?? "")
    : `${words.length} tools: ${[...new Set(words)].join(", ").toLowerCase()}`;
}

/** What was decided of one tool. */
export function toolDecisionOf(tool: Facts): string {
  if (tool["external_execution_result"] !== undefined) return "Result given";
  if (tool["user_feedback_schema"] !== undefined) return "Answered";
  if (tool["user_input_schema"] !== undefined) return "Filled in";
  if (tool["confirmation"] === false) return "Denied";
  return tool["edited_args"] === undefined ? "Approved" : "Approved with changed arguments";
}

/** What else a decision says, line by line: feedback, values, notes. */
export function detailsOf(decision: Facts): [string, string][] {
  const lines: [string, string][] = [];
  const {
    rejection_feedback: feedback,
    confirmation_note: note,
    user_input: input,
  } = decision as Record<string, JsonValue>;
  if (typeof feedback === "string" && feedback !== "") lines.push(["Feedback", feedback]);
  if (typeof note === "string" && note !== "") lines.push(["Note", note]);
  const done = decision["interaction_data"];
  if (done !== undefined && Object.keys(objectOf(done)).length > 0) lines.push(["Data", lineOf(done, 500)]);
  const { value: answer, comment } = objectOf(decision["response"]);
  if (answer !== undefined) lines.push(["Answer", lineOf(answer, 500)]);
  if (typeof comment === "string" && comment !== "") lines.push(["Comment", comment]);
  for (const [name, value] of Object.entries(objectOf(input))) lines.push([name, lineOf(value, 500)]);
  for (const each of listOf(decision["user_input_schema"]))
    lines.push([textOfValue(each["name"]), lineOf(each["value"], 500)]);
  for (const each of listOf(decision["user_feedback_schema"])) {
    const options = each["selected_options"];
    lines.push([textOfValue(each["question"]), namesOf(options)]);
  }
  for (const name of ["edited_args", "external_execution_result"]) {
    if (decision[name] !== undefined)
      lines.push([name === "edited_args" ? "Arguments" : "Result", lineOf(decision[name], 500)]);
  }
  return lines;
}

function objectOf(value: JsonValue | undefined): Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function namesOf(value: JsonValue | undefined): string {
  return Array.isArray(value) ? value.map(textOfValue).join(", ") : "";
}

function listOf(value: JsonValue | undefined): Record<string, JsonValue>[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

/** Who decided, as the person who looks should read it. */
export function deciderOf(resolvedBy: string, userId: string | null): string {
  if (resolvedBy === "timeout") return "the timeout";
  return resolvedBy === userId ? "you" : resolvedBy;
}

/** The decision that won where this page's came too late. */
export function winnerOf(decision: JsonValue | undefined, kind: PauseKind): string {
  return decisionOf(objectOf(decision), kind).toLowerCase();
}
