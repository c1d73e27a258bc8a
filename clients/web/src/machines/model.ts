/**
 * A definition of a state machine as what is drawn of it, and told of it in words. Pure.
 *
 * Laws:
 * - Any JSON value has a model: what isn't well-formed in it is left out, and nothing throws. A half-written definition
 *   is drawn as far as it goes.
 * - Each state is there once: at the top if the main thread reaches it, else in the first thread that does.
 */

import type { JsonValue } from "@interlock/client";

type JsonObject = Record<string, JsonValue>;

/** What a state is, for its sign. `unknown`: its type is none. */
export type StateKind = "action" | "halting" | "parallel" | "terminal" | "wait" | "unknown";

/** A state. */
export interface StateModel {
  readonly name: string;
  readonly kind: StateKind;
  /** What it does, in a few words: "script", "POST example.com", "form". */
  readonly does: string;
  readonly description: string | null;
  /** The thread in which it stands; null for the main one. `parallel/thread`. */
  readonly region: string | null;
  readonly isInitial: boolean;
}

/** A thread of a parallel state, and the state in which it begins. */
export interface RegionModel {
  readonly id: string;
  readonly thread: string;
  /** The parallel state. */
  readonly of: string;
  readonly begin: string;
}

/** Why a way is taken. */
export type WayKind = "transition" | "error" | "timeout";

/** A way from one state to another. */
export interface WayModel {
  readonly from: string;
  readonly to: string;
  readonly kind: WayKind;
  /** What is written at it: its label, or its condition in words; empty where it always applies. */
  readonly says: string;
}

/** A machine. */
export interface MachineModel {
  readonly initial: string | null;
  /** In the order of the definition. */
  readonly states: readonly StateModel[];
  readonly regions: readonly RegionModel[];
  readonly ways: readonly WayModel[];
}

const MOST_STATES = 100;
const MOST_WAYS = 500;
const KINDS: readonly string[] = ["action", "halting", "parallel", "terminal", "wait"];

/** The model of a definition. */
export function modelOf(definition: JsonValue | undefined): MachineModel {
  const all = Object.entries(objectOf(objectOf(definition)["states"])).flatMap(([name, value]) =>
    isObject(value) ? [[name, value] as const] : [],
  );
  const states = new Map(all.slice(0, MOST_STATES));
  const said = objectOf(definition)["initial_state"];
  const initial = typeof said === "string" && states.has(said) ? said : null;
  const ways = [...states].flatMap(([name, state]) => waysOf(name, state)).filter(({ to }) => states.has(to));
  const places = placesOf(states, initial, ways);
  return {
    initial,
    states: [...states].map(([name, state]) => ({
      name,
      kind: kindOf(state),
      does: doesOf(state),
      description: textOf(state["description"]),
      region: places.regionOf.get(name) ?? null,
      isInitial: name === initial,
    })),
    regions: places.regions,
    ways: ways.slice(0, MOST_WAYS),
  };
}

// ── Places ────────────────────────────────────────────────────────────────────────────────────────────

interface Places {
  regionOf: Map<string, string | null>;
  regions: RegionModel[];
}

/** Which states stand where: what the main thread reaches at the top, then what each thread reaches, in it. */
function placesOf(states: ReadonlyMap<string, JsonObject>, initial: string | null, ways: readonly WayModel[]): Places {
  const next = new Map<string, string[]>();
  for (const { from, to } of ways) next.set(from, [...(next.get(from) ?? []), to]);
  const places: Places = { regionOf: new Map(), regions: [] };
  const claim = (begin: string, region: string | null) => {
    const left = [begin];
    const claimed: string[] = [];
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (places.regionOf.has(name)) continue;
      places.regionOf.set(name, region);
      claimed.push(name);
      left.push(...(next.get(name) ?? []));
    }
    for (const name of claimed) enter(name);
  };
  const enter = (name: string) => {
    for (const [thread, begin] of threadsOf(states.get(name) ?? {})) {
      if (!states.has(begin)) continue;
      const id = `${name}/${thread}`;
      places.regions.push({ id, thread, of: name, begin });
      claim(begin, id);
    }
  };
  if (initial !== null) claim(initial, null);
  const isBegun = new Set([...states.values()].flatMap((state) => threadsOf(state).map(([, begin]) => begin)));
  // What nothing leads to stands at the top; what a thread begins with, in that thread.
  for (const name of states.keys()) if (!places.regionOf.has(name) && !isBegun.has(name)) claim(name, null);
  for (const name of states.keys()) if (!places.regionOf.has(name)) claim(name, null);
  return places;
}

function threadsOf(state: JsonObject): [string, string][] {
  if (state["type"] !== "parallel") return [];
  return Object.entries(objectOf(state["threads"])).flatMap(([thread, begin]) =>
    typeof begin === "string" ? [[thread, begin] as [string, string]] : [],
  );
}

// ── Ways ──────────────────────────────────────────────────────────────────────────────────────────────

function waysOf(from: string, state: JsonObject): WayModel[] {
  const way = (declared: JsonValue | undefined, kind: WayKind, says: (declared: JsonObject) => string): WayModel[] => {
    const to = targetOf(declared);
    return to === null || !isObject(declared) ? [] : [{ from, to, kind, says: says(declared) }];
  };
  const handlers = state["on_error"];
  return [
    ...listOf(state["transitions"]).flatMap((each) => way(each, "transition", saysOf)),
    ...(Array.isArray(handlers) ? handlers : [handlers]).flatMap((each) => way(each, "error", errorOf)),
    ...way(state["on_timeout"], "timeout", () => timeoutOf(state["timeout"])),
  ];
}

function targetOf(declared: JsonValue | undefined): string | null {
  const { target, to } = objectOf(declared);
  return textOf(target) ?? textOf(to);
}

function saysOf(transition: JsonObject): string {
  for (const name of ["label", "description", "key"]) {
    const said = textOf(transition[name]);
    if (said !== null && said !== "") return said;
  }
  return inWords(transition["condition"], 4);
}

function errorOf(handler: JsonObject): string {
  const codes = listOf(handler["codes"]).filter((each) => typeof each === "string");
  return codes.length === 0 ? "on any error" : `on ${codes.join(", ")}`;
}

function timeoutOf(seconds: JsonValue | undefined): string {
  if (typeof seconds !== "number") return "after its timeout";
  const [amount, unit] =
    seconds >= 86400 ? [seconds / 86400, "d"] : seconds >= 3600 ? [seconds / 3600, "h"] : [seconds / 60, "min"];
  return seconds < 60 ? `after ${seconds} s` : `after ${Math.round(amount * 10) / 10} ${unit}`;
}

const SIGNS: Readonly<Record<string, string>> = {
  equals: "=",
  not_equals: "≠",
  gt: ">",
  gte: "≥",
  lt: "<",
  lte: "≤",
};

/** A condition, as a person would write it. */
export function inWords(condition: JsonValue | undefined, deepest: number): string {
  if (!isObject(condition)) return "";
  if (deepest === 0) return "…";
  for (const name of ["and", "or"]) {
    const parts = condition[name];
    if (!Array.isArray(parts)) continue;
    const said = parts.map((each) => inWords(each, deepest - 1)).filter((each) => each !== "");
    return said.map((each) => (/ (and|or) /.test(each) ? `(${each})` : each)).join(` ${name} `);
  }
  if ("not" in condition) return `not (${inWords(condition["not"], deepest - 1)})`;
  const field = textOf(condition["field"]);
  return field === null ? "" : `${field} ${testOf(condition)}`.trim();
}

function testOf(condition: JsonObject): string {
  if ("exists" in condition) return condition["exists"] === false ? "is missing" : "exists";
  for (const name of ["equals", "not_equals"]) {
    if (name in condition) return `${SIGNS[name] ?? name} ${valueOf(condition[name])}`;
  }
  const operator = textOf(condition["operator"]);
  return operator === null ? "" : `${SIGNS[operator] ?? operator} ${valueOf(condition["value"])}`;
}

function valueOf(value: JsonValue | undefined): string {
  if (typeof value === "string") return `“${value}”`;
  return Array.isArray(value)
    ? `[${value.slice(0, 3).map(valueOf).join(", ")}${value.length > 3 ? ", …" : ""}]`
    : JSON.stringify(value ?? null).slice(0, 40);
}

// ── States ────────────────────────────────────────────────────────────────────────────────────────────

function kindOf(state: JsonObject): StateKind {
  const type = state["type"];
  return typeof type === "string" && KINDS.includes(type) ? (type as StateKind) : "unknown";
}

function doesOf(state: JsonObject): string {
  switch (kindOf(state)) {
    case "action":
      return logicOf(state["logic"]);
    case "halting":
      return haltOf(state);
    case "parallel":
      return `join ${textOf(state["join"]) ?? "all"}`;
    case "terminal":
      return "end";
    case "wait":
      return "waits";
    case "unknown":
      return "no known type";
  }
}

function logicOf(logic: JsonValue | undefined): string {
  const { type, method, url, task } = objectOf(logic);
  if (type === "task") return textOf(task) ?? "task";
  if (type !== "http") return textOf(type) ?? "action";
  const host = /^[a-z]+:\/\/([^/?#]+)/i.exec(textOf(url) ?? "")?.[1] ?? "HTTP";
  return `${textOf(method) ?? "GET"} ${host}`;
}

function haltOf(state: JsonObject): string {
  const type = textOf(objectOf(state["presentation"])["type"]);
  if (type !== null) return `asks · ${type}`;
  return state["transition_mode"] === "selection" ? "asks · selection" : "asks";
}

// ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: JsonValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}
