/** What may be meant where one types in a definition: names of states as targets, and the words of the language. */

import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import { syntaxTree } from "@codemirror/language";
import type { SyntaxNode } from "@lezer/common";

const TYPES: Readonly<Record<string, readonly string[]>> = {
  "states.*": ["action", "halting", "wait", "parallel", "terminal"],
  "states.*.logic": ["script", "http", "task"],
  "states.*.on_enter": ["script", "http", "task"],
  "states.*.presentation": ["form", "choice", "message"],
  "states.*.presentation.fields": ["string", "number", "boolean", "select", "date", "file"],
};

const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": [
    "name",
    "description",
    "initial_state",
    "states",
    "input_schema",
    "business_key",
    "ai_guidance",
    "schema_version",
  ],
  "states.*": [
    "type",
    "description",
    "logic",
    "transitions",
    "presentation",
    "halting_instructions",
    "transition_mode",
    "accepts",
    "assignees",
    "timeout",
    "on_timeout",
    "seconds",
    "until",
    "on_enter",
    "on_error",
    "threads",
    "join",
  ],
  "states.*.transitions": ["target", "condition", "key", "label", "description"],
  "states.*.logic": [
    "type",
    "code",
    "method",
    "url",
    "headers",
    "body",
    "task",
    "input",
    "timeout",
    "retry",
    "output",
    "integration",
  ],
  "states.*.presentation": ["type", "title", "description", "fields", "message", "options", "show_progress"],
  "states.*.presentation.fields": [
    "name",
    "type",
    "label",
    "required",
    "default",
    "options",
    "min",
    "max",
    "step",
    "multiline",
    "placeholder",
    "maxLength",
    "minDate",
    "maxDate",
    "accept",
    "maxSize",
  ],
  "states.*.transitions.condition": [
    "field",
    "equals",
    "not_equals",
    "operator",
    "value",
    "exists",
    "and",
    "or",
    "not",
  ],
  "states.*.on_error": ["target", "codes", "description"],
  "states.*.on_timeout": ["target"],
};

/** The names that lead to states. */
const TARGETS = ["target", "to", "initial_state"];

/** Offers what fits at the caret, inside of quotation marks. */
export function completions(context: CompletionContext): CompletionResult | null {
  const node = syntaxTree(context.state).resolveInner(context.pos, -1);
  if (node.name !== "String" && node.name !== "PropertyName") return null;
  const options = node.name === "PropertyName" ? keysAt(node, context) : valuesAt(node, context);
  if (options.length === 0) return null;
  return { from: node.from + 1, to: Math.max(node.from + 1, node.to - 1), options, validFor: /^[\w-]*$/ };
}

function keysAt(node: SyntaxNode, context: CompletionContext): Completion[] {
  const keys = KEYS[pathOf(node.parent?.parent ?? null, context)] ?? [];
  return keys.map((label) => ({ label, type: "property" }));
}

function valuesAt(node: SyntaxNode, context: CompletionContext): Completion[] {
  const property = node.parent;
  const key = property?.name === "Property" ? nameOf(property, context) : null;
  const path = pathOf(property?.parent ?? null, context);
  if (key === "type") return (TYPES[path] ?? []).map((label) => ({ label }));
  const isThread = /^states\.\*\.threads$/.test(path);
  if (isThread || (key !== null && TARGETS.includes(key)))
    return statesOf(context).map((label) => ({ label, detail: "state" }));
  if (key === "join") return ["all", "any", "none"].map((label) => ({ label }));
  return [];
}

/** The keys down to an object, with `*` for the name of a state; lists aren't told. */
function pathOf(object: SyntaxNode | null, context: CompletionContext): string {
  const keys: string[] = [];
  for (let node = object; node !== null; node = node.parent)
    if (node.name === "Property") keys.unshift(nameOf(node, context));
  return keys.map((key, place) => (place === 1 && keys[0] === "states" ? "*" : key)).join(".");
}

function nameOf(property: SyntaxNode, context: CompletionContext): string {
  const key = property.getChild("PropertyName");
  return key === null ? "" : context.state.sliceDoc(key.from + 1, key.to - 1);
}

function statesOf(context: CompletionContext): string[] {
  const root = syntaxTree(context.state).topNode.firstChild;
  const states = root?.getChildren("Property").find((each) => nameOf(each, context) === "states");
  return (states?.getChild("Object")?.getChildren("Property") ?? []).map((each) => nameOf(each, context));
}
