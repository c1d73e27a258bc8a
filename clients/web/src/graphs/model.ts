/**
 * A graph as somebody draws it: its tasks, its links, and what changes them. Pure.
 *
 * Laws:
 * - A change says which parts of a graph are others from now on. What undoes it says what these parts were: so undoing
 *   gives exactly the graph before, whatever the change was.
 * - A change keeps a graph whole: no link without its two tasks, no two links between the same two, no cycle, no two
 *   tasks of one name. One that can't be made changes nothing.
 * - Any JSON value has a graph: what isn't well-formed in it is left out, and nothing throws.
 */

import type { JsonValue } from "@interlock/client";

type JsonObject = Record<string, JsonValue>;

/** A place on the canvas. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A task. Which inputs it has depends on its type; what isn't drawn here (`retries`, `timeout`, …) is kept. */
export interface Task {
  readonly id: string;
  readonly type: string;
  readonly inputs: Readonly<Record<string, JsonValue>>;
  readonly title?: string;
  readonly integration?: string;
  readonly retries?: JsonValue;
  readonly timeout?: JsonValue;
  readonly on_error?: JsonValue;
  readonly join?: string;
}

/** What leads from one task to another, and when: `completed`, `failed`, `always`, or `port:<name>`. */
export interface Link {
  readonly from: string;
  readonly to: string;
  readonly condition?: string;
}

/** A graph. */
export interface Graph {
  readonly name: string;
  readonly description?: string;
  readonly tasks: readonly Task[];
  readonly links: readonly Link[];
  readonly positions: Readonly<Record<string, Point>>;
  /** What else it says (`returns`, `input_schema`, …): kept as it is. */
  readonly rest: Readonly<JsonObject>;
}

/** Parts of a graph that are others from now on; a field that is undefined goes. */
export type Parts = { readonly [Key in keyof Graph]?: Graph[Key] | undefined };

/** A change, what it is called, and what it is about: changes of the same thing, one after the other, are undone at once. */
export interface Change {
  readonly says: string;
  readonly parts: Parts;
  readonly about?: string;
}

/** The condition of a link without one. */
export const COMPLETED = "completed";

/** The condition of a link. */
export function conditionOf(link: Link): string {
  return link.condition ?? COMPLETED;
}

/** What tells a link from all others. */
export function keyOf({ from, to }: Pick<Link, "from" | "to">): string {
  return JSON.stringify([from, to]);
}

/** A graph without anything. */
export function emptyGraph(name: string): Graph {
  return { name, tasks: [], links: [], positions: {}, rest: {} };
}

// ── As JSON ───────────────────────────────────────────────────────────────────────────────────────────

/** A definition as a graph. */
export function graphOf(definition: JsonValue | undefined): Graph {
  const { name, description, tasks, links, positions, ...rest } = objectOf(definition);
  const kept: Graph = {
    name: textOf(name),
    ...(typeof description === "string" ? { description } : {}),
    tasks: listOf(tasks).flatMap(taskOf),
    links: [],
    positions: positionsIn(positions),
    rest,
  };
  const names = new Set(kept.tasks.map(({ id }) => id));
  const found = listOf(links).flatMap(linkOf);
  return { ...kept, links: found.filter(({ from, to }) => names.has(from) && names.has(to)) };
}

function taskOf(value: JsonValue): Task[] {
  const { id, type, inputs, ...rest } = objectOf(value);
  if (typeof id !== "string" || typeof type !== "string") return [];
  return [{ ...(rest as Partial<Task>), id, type, inputs: objectOf(inputs) }];
}

function linkOf(value: JsonValue): Link[] {
  const { from, to, condition } = objectOf(value);
  if (typeof from !== "string" || typeof to !== "string") return [];
  return [{ from, to, ...(typeof condition === "string" ? { condition } : {}) }];
}

function positionsIn(value: JsonValue | undefined): Record<string, Point> {
  const found: Record<string, Point> = {};
  for (const [id, place] of Object.entries(objectOf(value))) {
    const { x, y } = objectOf(place);
    if (typeof x === "number" && typeof y === "number") found[id] = { x, y };
  }
  return found;
}

/** The graph as JSON, as the server takes it. */
export function definitionOf({ name, description, tasks, links, positions, rest }: Graph): JsonObject {
  return {
    name,
    ...(description === undefined || description === "" ? {} : { description }),
    ...rest,
    tasks: tasks as unknown as JsonValue,
    links: links as unknown as JsonValue,
    ...(Object.keys(positions).length === 0 ? {} : { positions: positions as unknown as JsonValue }),
  };
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

// ── Changes ───────────────────────────────────────────────────────────────────────────────────────────

/** The graph after a change, and the change that undoes it. */
export function applied(graph: Graph, change: Change): { graph: Graph; inverse: Change } {
  const keys = Object.keys(change.parts) as (keyof Graph)[];
  const before = Object.fromEntries(keys.map((key) => [key, graph[key]])) as Parts;
  const merged = { ...graph, ...change.parts };
  const graphAfter = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  return { graph: graphAfter as unknown as Graph, inverse: { ...change, parts: before } };
}

/** A new task; null where its name is taken, or is none. */
export function addTask(graph: Graph, task: Task, at: Point): Change | null {
  if (!isName(task.id) || taskIn(graph, task.id)) return null;
  const positions = { ...graph.positions, [task.id]: rounded(at) };
  return { says: `Added ${task.id}`, parts: { tasks: [...graph.tasks, task], positions } };
}

/** Without a task, and without its links; null where there is none. */
export function removeTask(graph: Graph, id: string): Change | null {
  if (!taskIn(graph, id)) return null;
  const tasks = graph.tasks.filter((task) => task.id !== id);
  const links = graph.links.filter(({ from, to }) => from !== id && to !== id);
  const { [id]: _gone, ...positions } = graph.positions;
  return { says: `Deleted ${id}`, parts: { tasks, links, positions } };
}

/** What a task says otherwise; undefined takes a field away. */
export function changeTask(graph: Graph, id: string, fields: TaskFields, about = ""): Change | null {
  if (!taskIn(graph, id)) return null;
  const merged = (task: Task) =>
    Object.fromEntries(Object.entries({ ...task, ...fields }).filter(([, value]) => value !== undefined));
  const tasks = graph.tasks.map((task) => (task.id === id ? (merged(task) as unknown as Task) : task));
  return { says: `Changed ${id}`, parts: { tasks }, about: `task ${id} ${about}` };
}

/** Fields of a task, but for its name. */
export type TaskFields = { readonly [Key in Exclude<keyof Task, "id">]?: Task[Key] | undefined };

/** An input of a task; undefined leaves it blank. */
export function changeInput(graph: Graph, id: string, field: string, value: JsonValue | undefined): Change | null {
  const task = taskIn(graph, id);
  if (!task) return null;
  const { [field]: _before, ...others } = task.inputs;
  const inputs = value === undefined ? others : { ...task.inputs, [field]: value };
  return changeTask(graph, id, { inputs }, field);
}

/** Another name for a task, also where others speak of it; null where it is taken, or is none. */
export function renameTask(graph: Graph, from: string, to: string): Change | null {
  if (from === to || !isName(to) || taskIn(graph, to) || !taskIn(graph, from)) return null;
  const other = (id: string) => (id === from ? to : id);
  const spoken = (value: JsonValue) => respoken(value, from, to);
  const tasks = graph.tasks.map((task) => ({ ...task, id: other(task.id), inputs: spokenOf(task.inputs, spoken) }));
  const links = graph.links.map((link) => ({ ...link, from: other(link.from), to: other(link.to) }));
  const positions = Object.fromEntries(Object.entries(graph.positions).map(([id, place]) => [other(id), place]));
  return { says: `Renamed ${from} to ${to}`, parts: { tasks, links, positions, rest: spokenOf(graph.rest, spoken) } };
}

/** What tasks are called: what mappings can name. */
export function isName(id: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(id);
}

function spokenOf(values: Readonly<JsonObject>, spoken: (value: JsonValue) => JsonValue): JsonObject {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, spoken(value)]));
}

function respoken(value: JsonValue, from: string, to: string): JsonValue {
  if (typeof value === "string") return value.replaceAll(MAPPING, (all, id: string) => (id === from ? named(to) : all));
  if (Array.isArray(value)) return value.map((each) => respoken(each, from, to));
  if (typeof value === "object" && value !== null) return spokenOf(value, (each) => respoken(each, from, to));
  return value;
}

const MAPPING = /\$\{tasks\.([A-Za-z0-9_-]+)(?=[.}[])/g;

function named(id: string): string {
  return `\${tasks.${id}`;
}

/** Why no link can lead from one task to another; null where it can. */
export function whyNoLink(graph: Graph, from: string, to: string): string | null {
  if (from === to) return "A task can’t lead to itself.";
  if (!taskIn(graph, from) || !taskIn(graph, to)) return "There is no such task.";
  if (linkIn(graph, from, to)) return `${from} leads to ${to} already.`;
  if (isBefore(graph, to, from)) return `${to} comes before ${from}: a link back would be a circle.`;
  return null;
}

/** A link from one task to another; null where none can be. */
export function addLink(graph: Graph, from: string, to: string): Change | null {
  if (whyNoLink(graph, from, to) !== null) return null;
  return { says: `Connected ${from} to ${to}`, parts: { links: [...graph.links, { from, to }] } };
}

/** Without a link. */
export function removeLink(graph: Graph, from: string, to: string): Change | null {
  if (!linkIn(graph, from, to)) return null;
  const links = graph.links.filter((link) => link.from !== from || link.to !== to);
  return { says: `Deleted the link from ${from} to ${to}`, parts: { links } };
}

/** Another condition for a link. */
export function setCondition(graph: Graph, from: string, to: string, condition: string): Change | null {
  const link = linkIn(graph, from, to);
  if (!link || conditionOf(link) === condition) return null;
  const made = condition === COMPLETED ? { from, to } : { from, to, condition };
  const links = graph.links.map((each) => (each === link ? made : each));
  return { says: `${to} runs when ${from} has ${condition}`, parts: { links } };
}

/** Tasks that are elsewhere. */
export function moveTasks(graph: Graph, places: Readonly<Record<string, Point>>, says = "Moved"): Change | null {
  const moved = Object.entries(places).filter(([id, place]) => taskIn(graph, id) && !isAt(graph.positions[id], place));
  if (moved.length === 0) return null;
  const positions = { ...graph.positions, ...Object.fromEntries(moved.map(([id, place]) => [id, rounded(place)])) };
  return { says, parts: { positions }, about: `move ${moved.map(([id]) => id).join(" ")}` };
}

function isAt(place: Point | undefined, { x, y }: Point): boolean {
  return place?.x === Math.round(x) && place.y === Math.round(y);
}

function rounded({ x, y }: Point): Point {
  return { x: Math.round(x), y: Math.round(y) };
}

/** What the graph is described as. */
export function describe(graph: Graph, description: string): Change | null {
  if ((graph.description ?? "") === description) return null;
  return {
    says: "Changed the description",
    parts: { description: description === "" ? undefined : description },
    about: "description",
  };
}

// ── Asking ────────────────────────────────────────────────────────────────────────────────────────────

/** The task of that name. */
export function taskIn(graph: Graph, id: string): Task | undefined {
  return graph.tasks.find((task) => task.id === id);
}

/** The link between two tasks. */
export function linkIn(graph: Graph, from: string, to: string): Link | undefined {
  return graph.links.find((link) => link.from === from && link.to === to);
}

/** Whether a task comes before another one, by whatever links. */
export function isBefore(graph: Graph, first: string, later: string): boolean {
  const seen = new Set<string>();
  const open = [first];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (id === later && seen.size > 0) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    open.push(...graph.links.filter(({ from }) => from === id).map(({ to }) => to));
  }
  return false;
}

/** A name that no task has: that of its type, or the next one. */
export function newName(graph: Graph, type: string): string {
  const base = type.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 58) || "task";
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}_${number}`;
    if (!taskIn(graph, name)) return name;
  }
}

/** The distance between the left edges of tasks that stand beside each other, and between the upper edges of rows. */
export const GRID: Point = { x: 260, y: 130 };

/** A place where no task is: beside the last one, or below all. */
export function freePlace(graph: Graph): Point {
  const places = Object.values(graph.positions);
  if (places.length === 0) return { x: 0, y: 0 };
  const top = Math.max(...places.map(({ y }) => y));
  const inRow = places.filter(({ y }) => Math.abs(y - top) < GRID.y / 2);
  const right = Math.max(...inRow.map(({ x }) => x));
  const left = Math.min(...places.map(({ x }) => x));
  return right - left < 2 * GRID.x ? { x: right + GRID.x, y: top } : { x: left, y: top + GRID.y };
}
