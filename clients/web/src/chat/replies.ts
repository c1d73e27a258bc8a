/**
 * What a text that is typed into the composer answers to an open question.
 *
 * Laws:
 * - Pure. Nothing is guessed: a text is taken as an answer only where it can mean nothing else. What may mean more is asked
 *   back, with the ways to go on; what takes a form, or what nobody may read, is answered in its card.
 * - A yes with a "but" is no yes.
 */

import {
  waitingTools,
  type Decision,
  type InteractionSpec,
  type JsonValue,
  type Pending,
  type UserInputField,
} from "@interlock/client";
import { kindOfTool } from "../pauses/tool-kinds.ts";
import { textOfValue } from "../ui/format.ts";

/** One way to go on, as a button says it. */
export interface Way {
  readonly label: string;
  readonly decision: Decision;
}

/** What a text comes to: an answer, or a sentence that asks back. */
export type Reply = { readonly decision: Decision } | { readonly sentence: string; readonly ways: readonly Way[] };

const YES =
  /^(?:yes|yep|yeah|yup|y|ok|okay|sure|confirm(?:ed)?|approved?|agreed|go ahead|do it|ja|einverstanden)(?=$|[\s,.!;:–—-])/i;
const NO = /^(?:no|nope|n|nein|reject(?:ed)?|den(?:y|ied)|don['’]t|do not|not yet)(?=$|[\s,.!;:–—-])/i;
const BUT = /\b(?:but|not|no|except|unless|only|if|wait|later|aber|nicht|nur|wenn)\b|n['’]t\b/i;
const HARMLESS_NO = /^(?:problem|worries|objections?|doubt|comment|idea|wonder|need)\b/i;
/** More buttons than these aren't offered below a text. */
const MOST_WAYS = 6;
const IN_CARD = "This is answered with the fields of its card above.";

/** A yes or a no, and what else a text says; null where it is neither. */
export function verdictIn(text: string): { confirmed: boolean; rest: string } | null {
  const said = text.trim();
  const [yes] = YES.exec(said) ?? [];
  if (yes !== undefined) return BUT.test(said.slice(yes.length)) ? null : { confirmed: true, rest: restOf(said, yes) };
  const [no] = NO.exec(said) ?? [];
  if (no === undefined) return null;
  const rest = restOf(said, no);
  return HARMLESS_NO.test(rest) ? null : { confirmed: false, rest };
}

function restOf(said: string, word: string): string {
  return said.slice(word.length).replace(/^[\s,.!;:–—-]+/, "");
}

/** What `text` answers to what waits. */
export function replyTo(pending: Pending, text: string): Reply {
  if (pending.kind === "error_decision") return ofFailure(text);
  const { requirement } = pending;
  switch (pending.kind) {
    case "confirmation":
      return ofVerdict(text, "Is that a yes or a no?", "Confirm", "Reject, with this as the reason");
    case "output_review":
    case "iteration_review":
      return ofVerdict(text, "Is it right as it is?", "Approve as it is", "Reject, with this as feedback");
    case "user_input":
      return requirement.presentation || requirement.halt_id !== undefined
        ? inCard()
        : ofForm(requirement.user_input_schema ?? [], text);
    case "route_selection":
      return ofRoutes(requirement, text);
    case "executor_input":
      return ofTools(pending, text);
    case "response":
      return requirement.interaction ? ofInteraction(requirement.interaction.spec, text) : inCard();
    default:
      return inCard();
  }
}

function inCard(sentence = IN_CARD): Reply {
  return { sentence, ways: [] };
}

function ofVerdict(text: string, question: string, yes: string, no: string): Reply {
  const verdict = verdictIn(text);
  if (verdict === null) return { sentence: question, ways: [wayOf(yes, true, ""), wayOf(no, false, text.trim())] };
  return wayOf("", verdict.confirmed, verdict.confirmed ? "" : verdict.rest);
}

function wayOf(label: string, confirmed: boolean, feedback: string): Way {
  return { label, decision: { confirmed, ...(feedback === "" ? {} : { rejection_feedback: feedback }) } };
}

// ── Forms ───────────────────────────────────────────────────────────────────────────────────────────────

/** The one field that a text can be for: the only one, or the only one that must be given. */
function fieldFor(fields: readonly UserInputField[]): UserInputField | undefined {
  const needed = fields.filter((field) => field.required && field.default === null);
  const [only, ...others] = fields.length === 1 ? fields : needed;
  return others.length > 0 || only === undefined || only.secret || only.format === "file" ? undefined : only;
}

function ofForm(fields: readonly UserInputField[], text: string): Reply {
  const field = fieldFor(fields);
  if (field === undefined) return inCard(fields.length > 1 ? `It asks for ${namesOf(fields)}. ${IN_CARD}` : IN_CARD);
  const answer = (value: JsonValue): Decision => ({ user_input: { [field.name]: value } });
  if (field.allowed_values) {
    const options = field.allowed_values.map((value) => ({ key: value, names: [textOfValue(value)] }));
    return chosen(options, text, answer);
  }
  const value = valueOf(field.field_type, text.trim());
  return value === undefined ? inCard(WANTS[field.field_type] ?? IN_CARD) : { decision: answer(value) };
}

const WANTS: Partial<Record<string, string>> = {
  int: "It asks for a whole number.",
  float: "It asks for a number.",
  bool: "Is that a yes or a no?",
};

function namesOf(fields: readonly UserInputField[]): string {
  const names = fields.map((field) => field.name);
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and more` : names.join(" and ");
}

function valueOf(type: string, text: string): JsonValue | undefined {
  switch (type) {
    case "int":
      return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
    case "float":
      return text !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
    case "bool":
      return verdictIn(text)?.confirmed;
    case "list":
    case "dict":
      return undefined;
    default:
      return text;
  }
}

// ── Choices ─────────────────────────────────────────────────────────────────────────────────────────────

interface Choosable<K extends JsonValue = string> {
  readonly key: K;
  readonly names: readonly string[];
}

function chosen<K extends JsonValue>(
  options: readonly Choosable<K>[],
  text: string,
  answer: (key: K) => Decision,
): Reply {
  const found = optionIn(options, text);
  if (found !== undefined) return { decision: answer(found.key) };
  const ways = options.map(({ key, names }) => ({ label: names.at(-1) ?? "", decision: answer(key) }));
  return ways.length > MOST_WAYS
    ? inCard(`None of what it offers is called so. ${IN_CARD}`)
    : { sentence: "Which of these?", ways };
}

function optionIn<K extends JsonValue>(options: readonly Choosable<K>[], text: string): Choosable<K> | undefined {
  const said = wordsOf(text);
  const same = options.filter(({ names }) => names.some((name) => wordsOf(name) === said));
  return same.length === 1 ? same[0] : undefined;
}

function wordsOf(text: string): string {
  return text
    .trim()
    .replace(/[.!]+$/, "")
    .toLowerCase();
}

type Asked = Exclude<Pending, { kind: "error_decision" }>["requirement"];

function ofRoutes({ choices, available_choices, allow_multiple_selections: several }: Asked, text: string): Reply {
  const labels = new Map(choices?.map((choice) => [choice.key, choice.label]));
  const keys = available_choices ?? [...labels.keys()];
  const options = keys.map((key) => ({ key, names: [key, labels.get(key) ?? key] }));
  const answer = (key: string): Decision => ({ selected_choices: [key] });
  const names = several ? text.split(/,|\band\b|\bund\b/i) : [text];
  const found = names.map((name) => optionIn(options, name));
  if (names.length > 1 && found.every((each) => each !== undefined))
    return { decision: { selected_choices: [...new Set(found.map(({ key }) => key))] } };
  return chosen(options, text, answer);
}

function ofInteraction(spec: InteractionSpec, text: string): Reply {
  const verdict = verdictIn(text);
  const options = (spec.options ?? []).map(({ value, label }) => ({ key: value, names: [value, label ?? value] }));
  switch (spec.mode) {
    case "confirm":
      if (verdict !== null) return { decision: { response: withComment(verdict.confirmed, verdict.rest) } };
      return {
        sentence: "Is that a yes or a no?",
        ways: [true, false].map((confirmed) => ({
          label: `${confirmed ? (spec.confirm_label ?? "Approve") : (spec.reject_label ?? "Reject")}, with this as a comment`,
          decision: { response: withComment(confirmed, text.trim()) },
        })),
      };
    case "select":
      return chosen(options, text, (key) => ({ response: { selected: key } }));
    case "input":
      return spec.fields != null || spec.schema != null ? inCard() : { decision: { response: { value: text } } };
    default:
      return inCard();
  }
}

function withComment(confirmed: boolean, comment: string): Record<string, JsonValue> {
  return comment === "" ? { confirmed } : { confirmed, comment };
}

// ── Tools, and steps that failed ────────────────────────────────────────────────────────────────────────

function ofTools(pending: Pending, text: string): Reply {
  const tools = waitingTools(pending);
  const [tool, ...others] = tools;
  if (tool === undefined) return inCard();
  if (others.length > 0) return inCard(`${tools.length} tools wait, and each is decided by itself in the card above.`);
  const call = tool.tool_execution;
  if (kindOfTool(tool) !== "confirmation") return inCard();
  const answer = (confirmation: boolean, note: string): Decision => ({
    executor_requirements: [{ id: tool.id, confirmation, ...(note === "" ? {} : { confirmation_note: note }) }],
  });
  const verdict = verdictIn(text);
  if (verdict !== null) return { decision: answer(verdict.confirmed, verdict.rest) };
  return {
    sentence: `May ${call?.tool_name ?? "the tool"} run?`,
    ways: [
      { label: "Approve, with this as a note", decision: answer(true, text.trim()) },
      { label: "Deny, with this as a note", decision: answer(false, text.trim()) },
    ],
  };
}

const FAILURE_WAYS: readonly (Way & { says: RegExp })[] = [
  { label: "Try again", decision: { decision: "retry" }, says: /^(?:retry|again|(?:try|once) again|once more)[.!]?$/i },
  { label: "Skip the step", decision: { decision: "skip" }, says: /^skip(?: it| the step)?[.!]?$/i },
  { label: "Cancel the run", decision: { decision: "cancel" }, says: /^cancel (?:it|the run)[.!]?$/i },
];

function ofFailure(text: string): Reply {
  const said = FAILURE_WAYS.find(({ says }) => says.test(text.trim()));
  return said ?? { sentence: "What is to be done with the step that failed?", ways: FAILURE_WAYS };
}
