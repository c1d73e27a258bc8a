/** What a tool call that waits wants, read from its requirement. Pure. */

import type { ExecutorRequirement, JsonValue, UserInputField } from "@interlock/client";
import { textOfValue } from "../ui/format.ts";

/** What is asked for: a yes or no, values, answers, or the result of a tool that is executed elsewhere. */
export type ToolKind = "confirmation" | "user_input" | "user_feedback" | "external_execution";

/** A question that is answered by selecting. */
export interface FeedbackQuestion {
  /** It names the answer. */
  readonly text: string;
  readonly header: string | null;
  readonly options: readonly { key: string; label: string; description?: string | undefined }[];
  readonly several: boolean;
}

/** What a tool waits for. */
export function kindOfTool(tool: ExecutorRequirement): ToolKind {
  const call = tool.tool_execution;
  if (call?.external_execution_required) return "external_execution";
  if (tool.user_feedback_schema && tool.user_feedback_schema.length > 0) return "user_feedback";
  return call?.requires_user_input || fieldsOf(tool).length > 0 ? "user_input" : "confirmation";
}

/** The form of a tool that waits for values. */
export function fieldsOf(tool: ExecutorRequirement): readonly UserInputField[] {
  return tool.tool_execution?.user_input_schema ?? tool.user_input_schema ?? [];
}

/** Whether whoever approves may change the arguments. */
export function isEditable(tool: ExecutorRequirement): boolean {
  return (tool.tool_execution as { editable?: boolean } | undefined)?.editable === true;
}

/** The arguments, as text. */
export function argumentsOf(tool: ExecutorRequirement): [string, string][] {
  return Object.entries(tool.tool_execution?.tool_args ?? {}).map(([name, value]) => [name, textOfValue(value) || "—"]);
}

/** The questions of a tool. */
export function questionsOf(tool: ExecutorRequirement): FeedbackQuestion[] {
  return (tool.user_feedback_schema ?? []).map((item) => ({
    text: word(item["question"]) ?? "",
    header: word(item["header"]),
    options: (Array.isArray(item["options"]) ? item["options"] : []).map(optionOf),
    several: item["multi_select"] === true,
  }));
}

function optionOf(option: JsonValue) {
  if (typeof option !== "object" || option === null || Array.isArray(option)) {
    const key = textOfValue(option);
    return { key, label: key };
  }
  const label = textOfValue(option["label"]);
  return { key: label, label, description: word(option["description"]) ?? undefined };
}

function word(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}
