/**
 * Task graphs on the server: drawn, checked, activated, called.
 *
 * Laws:
 * - The server judges a graph; nothing of it is checked here.
 * - Objects are the server's own, with its names. A newer server may send more than is here.
 */

import type { DefinitionFault, MachineSummary, MachineVersion } from "./machines.js";
import type { JsonValue } from "./protocol.js";
import { path, type Rest } from "./rest.js";

/** A task of a graph: its type says which inputs it has. An input is a value, `{blank: true | NAME}`, or a mapping. */
export interface GraphTask {
  id: string;
  type: string;
  inputs?: Record<string, JsonValue>;
  title?: string;
  integration?: string;
  join?: "all" | "any";
}

/** What leads from one task to another: `completed` where no condition is given, `failed`, `always`, `port:NAME`. */
export interface GraphLink {
  from: string;
  to: string;
  condition?: string;
}

/** A graph as JSON. */
export interface GraphDefinition {
  name: string;
  description?: string;
  input_schema?: JsonValue;
  tasks: GraphTask[];
  links?: GraphLink[];
  returns?: JsonValue;
  fail_fast?: boolean;
  at_once?: number;
  /** Where the tasks stand on the canvas; it changes nothing else. */
  positions?: Record<string, { x: number; y: number }>;
}

/** A kind of task that the server has. */
export interface TaskType {
  name: string;
  title: string;
  description: string;
  category: string;
  /** The JSON Schema of its inputs. */
  input_schema: JsonValue;
  /** The JSON Schema of what it comes to. */
  output_schema: JsonValue;
  /** The kind of integration that it needs; null where it needs none. */
  provider: string | null;
  /** It calls something, asks a person, or says how the graph goes on. */
  kind: "call" | "human" | "flow" | (string & {});
  /** The name of a sign of the lucide set; null for none. */
  icon?: string | null;
  /** Whether it can't do without an integration. */
  needs_integration?: boolean;
  /** The ways that it may decide for: what the condition `port:NAME` of a link may name. */
  ports?: string[];
}

/** A graph, and which of its versions are the newest and the current one. */
export interface GraphSummary extends MachineSummary {
  /** Whether its endpoint answers: it has a current version. */
  active: boolean;
}

/** Whether a graph can be run, and with which version. */
export interface GraphActivation {
  name: string;
  active: boolean;
  version_id: string | null;
}

/** A version of a graph. */
export type GraphVersion = MachineVersion;

/** A version with its definition. */
export interface DefinedGraph extends GraphVersion {
  name: string;
  definition: GraphDefinition;
}

/** A fault of a graph, at its path: `tasks[2].inputs.url`. */
export interface GraphFault extends DefinitionFault {
  code?: string;
}

/** What the server thinks of a graph. With `warnings` alone it is valid. */
export interface GraphValidation {
  valid: boolean;
  errors?: GraphFault[];
  warnings?: GraphFault[];
}

/** The request that runs a graph. */
export interface GraphEndpoint {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** The JSON Schema of the body: the blanks of the graph. */
  body_schema: JsonValue;
  body_example: JsonValue;
  curl: string;
}

/** One execution of a graph, which is a run; in a list without what it came to. */
export interface GraphSession {
  session_id: string;
  run_id: string;
  graph: string;
  version_id: string | null;
  status: "running" | "waiting" | "completed" | "failed" | "cancelled";
  created_at: string;
  ended_at?: string | null;
  /** What the tasks that end the graph came to, by their ids, or what it returns. */
  outputs?: JsonValue;
  error?: JsonValue;
}

/** How a graph is run. */
export interface GraphRunOptions {
  /** How long the server may wait for the end, in seconds; without one it answers at once. */
  wait?: number;
  /** Its idempotency key: a second call with the same one gives the session of the first. */
  key?: string;
}

/** The graphs of this user's account; `Client.graphs`. */
export class Graphs {
  readonly #rest: Rest;

  /** @internal */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /** The kinds of tasks that the server has. */
  async taskTypes(): Promise<TaskType[]> {
    const call = { method: "GET" as const, path: path("task-types") };
    return (await this.#rest.send<{ task_types: TaskType[] }>(call)).task_types;
  }

  /** Every graph of the account, the newest first. */
  list(): Promise<GraphSummary[]> {
    return this.#rest.list<GraphSummary>({ method: "GET", path: path("graphs") }, "graphs");
  }

  /**
   * Stores a draft under a name that no graph has.
   *
   * Rejects with an `InterlockError`: `invalid_graph`, with every fault in `details`; `workflow_exists`.
   */
  create(graph: GraphDefinition): Promise<GraphVersion> {
    return this.#rest.send({ method: "POST", path: path("graphs"), body: json(graph) });
  }

  /**
   * Stores the next draft, in place of the draft `base` that it was made of; null keeps every version that there is.
   *
   * Rejects with an `InterlockError`: `conflict`, where `base` isn't the newest version any more.
   */
  save(graph: GraphDefinition, base: string | null): Promise<GraphVersion> {
    const headers: Record<string, string> = base === null ? {} : { "if-match": `"${base}"` };
    return this.#rest.send({ method: "PUT", path: path("graphs", graph.name), body: json(graph), headers });
  }

  /** Checks a graph without storing it. */
  validate(graph: GraphDefinition): Promise<GraphValidation> {
    const body = json(graph);
    return this.#rest.send({ method: "POST", path: path("graphs", "validate"), body, repeatable: true });
  }

  /** A graph, with its newest version. */
  get(name: string): Promise<GraphSummary & { definition: GraphDefinition }> {
    return this.#rest.send({ method: "GET", path: path("graphs", name) });
  }

  /** The versions of a graph, the newest first. */
  versions(name: string): Promise<GraphVersion[]> {
    return this.#rest.list<GraphVersion>({ method: "GET", path: path("graphs", name, "versions") }, "versions");
  }

  /** A version of a graph, with its definition. */
  version(name: string, versionId: string): Promise<DefinedGraph> {
    return this.#rest.send({ method: "GET", path: path("graphs", name, "versions", versionId) });
  }

  /**
   * Makes a version the current one: the one that new sessions run.
   *
   * Rejects with an `InterlockError`: `version_not_found`; `already_published`, where it is the current one.
   */
  publish(name: string, versionId: string): Promise<GraphVersion> {
    return this.#rest.send({ method: "POST", path: path("graphs", name, "versions", versionId, "publish") });
  }

  /** Has the endpoint run the version that was published last; where none was, the newest draft. */
  activate(name: string): Promise<GraphActivation> {
    return this.#rest.send({ method: "POST", path: path("graphs", name, "activate") });
  }

  /** Has the endpoint refuse calls. Sessions that have begun go on. */
  deactivate(name: string): Promise<GraphActivation> {
    return this.#rest.send({ method: "POST", path: path("graphs", name, "deactivate") });
  }

  /** The request that runs a graph. */
  endpoint(name: string): Promise<GraphEndpoint> {
    return this.#rest.send({ method: "GET", path: path("graphs", name, "endpoint") });
  }

  /**
   * Runs a graph; `blanks` are what it leaves to the caller.
   *
   * Rejects with an `InterlockError`: `invalid_input`, with an entry a field; `not_activated`.
   */
  run(name: string, blanks: Record<string, JsonValue>, { wait, key }: GraphRunOptions = {}): Promise<GraphSession> {
    const call = { method: "POST" as const, path: path("graphs", name, "run"), body: blanks };
    const prefer = wait === undefined ? { headers: { prefer: "respond-async" } } : { wait };
    return this.#rest.send({ ...call, ...prefer, ...(key === undefined ? {} : { key }) });
  }

  /** The sessions of a graph, the newest first, up to `limit`. */
  sessions(name: string, limit = 50): Promise<GraphSession[]> {
    return this.#rest.list<GraphSession>({ method: "GET", path: path("graphs", name, "sessions") }, "sessions", limit);
  }

  /** A session. */
  session(sessionId: string): Promise<GraphSession> {
    return this.#rest.send({ method: "GET", path: path("graphs", "sessions", sessionId) });
  }

  /** Cancels a session. */
  cancel(sessionId: string): Promise<Pick<GraphSession, "session_id" | "status">> {
    return this.#rest.send({ method: "POST", path: path("graphs", "sessions", sessionId, "cancel") });
  }
}

function json(graph: GraphDefinition): JsonValue {
  return graph as unknown as JsonValue;
}
