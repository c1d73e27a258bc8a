/**
 * Definitions of state machines on the server: created, checked, published.
 *
 * Laws:
 * - The server judges a definition; nothing of it is checked here.
 * - Objects are the server's own, with its names. A newer server may send more than is here.
 */

import type { Presentation } from "./presentations.js";
import type { JsonValue } from "./protocol.js";
import { path, type Rest } from "./rest.js";

/** A condition: a comparison of a field, or several conditions together. */
export interface ConditionDefinition {
  field?: string;
  operator?: "equals" | "not_equals" | "gt" | "gte" | "lt" | "lte" | "contains" | "in" | "exists";
  value?: JsonValue;
  equals?: JsonValue;
  not_equals?: JsonValue;
  exists?: boolean;
  and?: ConditionDefinition[];
  or?: ConditionDefinition[];
  not?: ConditionDefinition;
}

/** A way from one state to another; `to` is another word for `target`. */
export interface TransitionDefinition {
  target?: string;
  to?: string;
  condition?: ConditionDefinition;
  key?: string;
  description?: string;
  label?: string;
}

/** What a state does. */
export interface LogicDefinition {
  type: "script" | "http" | (string & {});
  code?: string;
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  body?: JsonValue;
  /** In milliseconds. */
  timeout?: number;
  retry?: { attempts: number; backoff: "exponential" | "linear"; delay_ms?: number };
  output?: string;
  /** The credential that it is sent with, by name; `url` may be a path below its address. */
  integration?: string;
}

/** A state; which of these it may have depends on its type. */
export interface StateDefinition {
  type: "action" | "halting" | "terminal" | "parallel";
  description?: string;
  logic?: LogicDefinition;
  on_enter?: LogicDefinition;
  on_error?: JsonValue;
  presentation?: Presentation;
  halting_instructions?: JsonValue;
  transition_mode?: "condition" | "selection";
  transitions?: TransitionDefinition[];
  accepts?: JsonValue;
  assignees?: string[];
  /** In seconds. */
  timeout?: number;
  on_timeout?: { target: string };
  threads?: Record<string, string>;
  join?: "all" | "any" | "none";
}

/** A machine as JSON. */
export interface MachineDefinition {
  name: string;
  initial_state: string;
  states: Record<string, StateDefinition>;
  ai_guidance?: string;
  description?: string;
  input_schema?: JsonValue;
}

/** A machine, and which of its versions are the newest and the current one. */
export interface MachineSummary {
  name: string;
  workflow_id: string;
  latest_version_id: string;
  published_version_id: string | null;
  /** When that was published. */
  published_at?: string | null;
  /** How many versions were never published. */
  drafts?: number;
  created_at: string;
}

/** One version of a machine. Published ones never change. */
export interface MachineVersion {
  version_id: string;
  /** 1 for the first of its name, and higher for each later one. */
  number?: number;
  status: "draft" | "published";
  /** Left out in a list of one machine's versions, and where it was published. */
  name?: string;
  created_at?: string;
  created_by?: string;
  published_at?: string;
  published_by?: string;
  /** Of a new one: what the server would have written otherwise. */
  warnings?: DefinitionFault[];
}

/** Something wrong with a definition, and where: `states.start.transitions[0].target`. */
export interface DefinitionFault {
  path: string;
  message: string;
}

/** A version with its definition. */
export interface DefinedVersion extends MachineVersion {
  name: string;
  definition: MachineDefinition;
}

/** What the server thinks of a definition. With `warnings` alone it is valid. */
export interface Validation {
  valid: boolean;
  errors?: DefinitionFault[];
  warnings?: DefinitionFault[];
}

/** The machines of this user's account; `Client.machines`. */
export class Machines {
  readonly #rest: Rest;

  /** @internal */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /**
   * Stores a draft: the next version of the machine of that name, or its first. With `onlyNew` it is refused where the
   * name exists already.
   *
   * Rejects with an `InterlockError`: `invalid_workflow`, with every fault in `details`; `workflow_exists`.
   */
  create(definition: MachineDefinition, { onlyNew = false } = {}): Promise<MachineVersion> {
    const headers: Record<string, string> = onlyNew ? { "if-none-match": "*" } : {};
    return this.#rest.send({ method: "POST", path: path("workflows"), body: json(definition), headers });
  }

  /** Checks a definition without storing it. */
  validate(definition: MachineDefinition): Promise<Validation> {
    const body = json(definition);
    return this.#rest.send({ method: "POST", path: path("workflows", "validate"), body, repeatable: true });
  }

  /** Every machine of the account, the newest first. */
  list(): Promise<MachineSummary[]> {
    return this.#rest.list<MachineSummary>({ method: "GET", path: path("workflows") }, "workflows");
  }

  /** The versions of a machine, the newest first. */
  versions(name: string): Promise<MachineVersion[]> {
    return this.#rest.list<MachineVersion>({ method: "GET", path: path("workflows", name, "versions") }, "versions");
  }

  /** A version of a machine, with its definition. Rejects with an `InterlockError`: `version_not_found`. */
  version(name: string, version: VersionOf): Promise<DefinedVersion> {
    return this.#rest.send({ method: "GET", path: pathOf(name, version) });
  }

  /** The states and transitions of a version, as a diagram in Mermaid. */
  async diagram(name: string, version: VersionOf): Promise<string> {
    const drawn = await this.#rest.send<{ mermaid: string }>({ method: "GET", path: pathOf(name, version, "diagram") });
    return drawn.mermaid;
  }

  /**
   * Deletes a version that was never published.
   *
   * Rejects with an `InterlockError`: `already_published`: it was, and is kept for its instances;
   * `version_in_use`: an instance that tries it hasn't ended; `version_not_found`,
   * also where an earlier try had deleted it.
   */
  deleteDraft(name: string, version: VersionOf): Promise<void> {
    return this.#rest.send({ method: "DELETE", path: pathOf(name, version) });
  }

  /**
   * Makes a version the current one: the one that new instances run.
   *
   * Rejects with an `InterlockError`: `version_not_found`; `already_published`, where it is the current one.
   */
  publish(name: string, version: VersionOf): Promise<MachineVersion> {
    return this.#rest.send({ method: "POST", path: pathOf(name, version, "publish") });
  }
}

/** A version, or its id. */
export type VersionOf = string | Pick<MachineVersion, "version_id">;

function pathOf(name: string, version: VersionOf, ...more: string[]): string {
  const versionId = typeof version === "string" ? version : version.version_id;
  return path("workflows", name, "versions", versionId, ...more);
}

function json(definition: MachineDefinition): JsonValue {
  return definition as unknown as JsonValue;
}
