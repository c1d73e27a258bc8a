/** What the repository has recorded: golden frames, and the logs of runs that really ran. */

import { readdirSync, readFileSync } from "node:fs";
import type { JsonValue, RunEvent, RunStatus } from "../../src/index.js";

const REPOSITORY = new URL("../../../../", import.meta.url);

/** A golden frame. */
export interface Vector {
  name: string;
  direction: "client" | "server";
  message: Record<string, JsonValue>;
  json: string;
  msgpack: string;
}

/** The golden frames of a file in protocol/vectors. */
export function vectors(file: "client" | "control" | "events"): Vector[] {
  return read(`protocol/vectors/${file}.json`) as Vector[];
}

/** What the server's own fold of a recorded log comes to, at one place of it. */
export interface Facts {
  next_index: number;
  status: RunStatus;
  content: JsonValue;
  error: string | null;
  pending: { id: string; kind: string }[];
  resolved: Record<string, JsonValue>;
  steps_completed: number;
}

/** A recorded run. */
export interface Recording {
  name: string;
  events: RunEvent[];
  facts: Facts[];
}

/** Every recorded run. */
export function recordings(): Recording[] {
  const folder = "tests/replay/logs";
  return readdirSync(new URL(folder, REPOSITORY)).map((file) => {
    const recorded = read(`${folder}/${file}`) as { entries: { event: RunEvent }[]; facts: Facts[] };
    return {
      name: file.replace(".json", ""),
      events: recorded.entries.map((entry) => entry.event),
      facts: recorded.facts,
    };
  });
}

/** The same, as JSON: what travels. */
export function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** The same, frozen through and through: a change throws. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) frozen(each);
  return value;
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, REPOSITORY), "utf8"));
}
