/**
 * The inputs of tasks: which a type has, how each is given, and what may be mapped into it. Pure.
 *
 * Laws:
 * - An input is given in one of three ways: as a value, blank (whoever calls the endpoint gives it), or as a mapping
 *   from what ran before. What is left out is blank.
 * - Only what surely ran before is proposed for a mapping: a task on every way to this one, that has completed.
 */

import type { JsonValue, TaskType } from "@interlock/client";
import type { Schema } from "../session/workflows.ts";
import { COMPLETED, conditionOf, type Graph, type Link, type Task } from "./model.ts";

/** How an input is given. */
export type Way =
  | { readonly way: "value"; readonly value: JsonValue }
  | { readonly way: "blank"; readonly name: string }
  | { readonly way: "mapping"; readonly text: string };

/** An input that a type has. */
export interface Field {
  readonly name: string;
  readonly schema: Schema;
  readonly isRequired: boolean;
  /** The author alone gives it: it is neither left blank nor mapped. */
  readonly isFixed: boolean;
}

/** The fields of a type, in their order. */
export function fieldsOf(type: Pick<TaskType, "input_schema"> | undefined): Field[] {
  const schema = objectOf(type?.input_schema);
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(objectOf(schema["properties"])).map(([name, each]) => ({
    name,
    schema: objectOf(each),
    isRequired: required.includes(name),
    isFixed: objectOf(each)["fixed"] === true,
  }));
}

/** A schema that has only this field, with the definitions that it may speak of. */
export function schemaWith({ name, schema, isRequired }: Field, type: Pick<TaskType, "input_schema">): Schema {
  const definitions = objectOf(type.input_schema)["$defs"];
  return {
    type: "object",
    properties: { [name]: schema },
    ...(isRequired ? { required: [name] } : {}),
    ...(definitions === undefined ? {} : { $defs: definitions }),
  };
}

/** What a field is called, for people. */
export function titleOf({ name, schema }: Field): string {
  const title = schema["title"];
  if (typeof title === "string" && title !== "") return title;
  const words = name.replace(/_+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The name that a blank has if nothing else is said. */
export function ownBlank(task: Pick<Task, "id">, field: string): string {
  return `${task.id}.${field}`;
}

/** How a field of a task is given. */
export function wayOf(task: Task, { name: field, isFixed }: Pick<Field, "name" | "isFixed">): Way {
  const given = task.inputs[field];
  if (isFixed) return { way: "value", value: given ?? null };
  if (given === undefined) return { way: "blank", name: ownBlank(task, field) };
  if (typeof given === "string" && given.includes("${")) return { way: "mapping", text: given };
  const blank = blankIn(given);
  if (blank !== null) return { way: "blank", name: blank === true ? ownBlank(task, field) : blank };
  return { way: "value", value: given };
}

function blankIn(given: JsonValue): true | string | null {
  const { blank, ...others } = objectOf(given);
  if (Object.keys(others).length > 0) return null;
  return blank === true || (typeof blank === "string" && blank !== "") ? blank : null;
}

/** A blank as it stands in the definition. */
export function blankOf(task: Pick<Task, "id">, field: string, name: string): JsonValue {
  return { blank: name === "" || name === ownBlank(task, field) ? true : name };
}

/** The inputs of a new task: what has to be given is left blank, until somebody says otherwise. */
export function firstInputs(type: TaskType | undefined): Record<string, JsonValue> {
  const needed = fieldsOf(type).filter(({ isRequired, isFixed }) => isRequired && !isFixed);
  return Object.fromEntries(needed.map(({ name }) => [name, { blank: true }]));
}

/** A blank of a graph: what whoever calls it gives. */
export interface Blank {
  readonly name: string;
  readonly field: Field;
  readonly task: string;
}

/** The blanks of a graph, each name once, in the order of its tasks. */
export function blanksOf(graph: Graph, types: ReadonlyMap<string, TaskType>): Blank[] {
  const found = new Map<string, Blank>();
  for (const task of graph.tasks) {
    for (const field of fieldsOf(types.get(task.type))) {
      const way = wayOf(task, field);
      if (way.way !== "blank" || found.has(way.name)) continue;
      // What nobody has to give isn't asked for, unless it was marked.
      if (!field.isRequired && task.inputs[field.name] === undefined) continue;
      found.set(way.name, { name: way.name, field, task: task.id });
    }
  }
  return [...found.values()];
}

/** What a graph asks of the caller by a schema of its own. */
export function declaredOf(graph: Graph): string[] {
  return Object.keys(objectOf(objectOf(graph.rest["input_schema"])["properties"]));
}

// ── What surely ran before ────────────────────────────────────────────────────────────────────────────

/** The tasks that have surely completed when this one begins, in the order of the graph. */
export function surelyBefore(graph: Graph, id: string): string[] {
  const known = new Map<string, ReadonlySet<string>>();
  const sure = new Sure(graph, known).of(id);
  return graph.tasks.map((task) => task.id).filter((each) => sure.has(each));
}

class Sure {
  readonly #graph: Graph;
  readonly #known: Map<string, ReadonlySet<string>>;

  constructor(graph: Graph, known: Map<string, ReadonlySet<string>>) {
    this.#graph = graph;
    this.#known = known;
  }

  of(id: string): ReadonlySet<string> {
    const known = this.#known.get(id);
    if (known) return known;
    this.#known.set(id, new Set()); // of a circle, nothing is sure
    const found = this.#found(id);
    this.#known.set(id, found);
    return found;
  }

  #found(id: string): ReadonlySet<string> {
    const links = this.#into(id);
    const task = this.#graph.tasks.find((each) => each.id === id);
    const common = inAll(links.map((link) => this.#behind(link)));
    if (task?.join === "any") return common;
    const needed = links.filter((link) => !this.#mayBeNotTaken(link, new Set()));
    return new Set([...common, ...needed.flatMap((link) => [...this.#behind(link)])]);
  }

  /** What has completed where a link is satisfied. */
  #behind(link: Link): ReadonlySet<string> {
    const condition = conditionOf(link);
    if (condition === "always") return new Set();
    const before = this.of(link.from);
    return condition === "failed" ? before : new Set([...before, link.from]);
  }

  /** Whether a task may run although this link isn't satisfied. */
  #mayBeNotTaken(link: Link, seen: ReadonlySet<string>): boolean {
    const condition = conditionOf(link);
    if (condition === "always") return false;
    if (condition !== COMPLETED) return true;
    const before = this.#into(link.from);
    if (before.length === 0 || seen.has(link.from)) return false;
    return before.every((each) => this.#mayBeNotTaken(each, new Set([...seen, link.from])));
  }

  #into(id: string): Link[] {
    return this.#graph.links.filter(({ to }) => to === id);
  }
}

function inAll(sets: readonly ReadonlySet<string>[]): Set<string> {
  const [first, ...others] = sets;
  return new Set([...(first ?? [])].filter((each) => others.every((other) => other.has(each))));
}

// ── What may be mapped ────────────────────────────────────────────────────────────────────────────────

/** Something that a mapping may name. */
export interface Source {
  /** As it stands in the mapping. */
  readonly text: string;
  readonly label: string;
  readonly says?: string | undefined;
}

/** How deep into an output sources are proposed. */
const DEEPEST = 3;

/** What may be mapped into the inputs of a task. */
export function sourcesFor(graph: Graph, types: ReadonlyMap<string, TaskType>, id: string): Source[] {
  const outputs = surelyBefore(graph, id).flatMap((each) => {
    const type = types.get(graph.tasks.find((task) => task.id === each)?.type ?? "");
    return outputsOf(each, objectOf(type?.output_schema));
  });
  const given = new Set([...declaredOf(graph), ...blanksOf(graph, types).map(({ name }) => name)]);
  const inputs = [...given]
    .filter((name) => /^[A-Za-z0-9_-]+$/.test(name))
    .map((name) => ({ text: `\${input.${name}}`, label: `Given by the caller: ${name}` }));
  const person = { text: "${context.user_id}", label: "Who called the endpoint" };
  return [...outputs, ...inputs, person];
}

function outputsOf(id: string, schema: Schema): Source[] {
  const found: Source[] = [{ text: `\${tasks.${id}.output}`, label: `${id}: its whole output` }];
  const visit = (at: Schema, path: readonly string[]) => {
    if (path.length >= DEEPEST) return;
    for (const [name, each] of Object.entries(objectOf(at["properties"]))) {
      if (!/^[A-Za-z0-9_-]+$/.test(name)) continue;
      const deeper = [...path, name];
      const { description } = objectOf(each);
      const says = typeof description === "string" ? description : undefined;
      found.push({ text: `\${tasks.${id}.output.${deeper.join(".")}}`, label: `${id}: ${deeper.join(" › ")}`, says });
      visit(objectOf(each), deeper);
    }
  };
  visit(schema, []);
  return found;
}

function objectOf(value: JsonValue | undefined): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
