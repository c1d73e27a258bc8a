/**
 * The workflows that the server has.
 *
 * Laws:
 * - They are asked for once for each token, and again when the person says so; whoever shows them shows the same.
 * - While they are asked for again, those that are known stay.
 */

import { useEffect, useMemo, useSyncExternalStore } from "react";
import type { JsonValue } from "@interlock/client";
import { useSession } from "./context.ts";
import { setServerClock } from "../ui/time.tsx";
import { clockAhead } from "./clock.ts";
import { base } from "./session.ts";

/** A JSON Schema. */
export type Schema = Record<string, JsonValue>;

/** A workflow, as `GET /workflows` lists it. */
export interface Workflow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly version: string | null;
  /** The JSON Schema of the message; `{}` where any will do. */
  readonly input_schema: Schema;
  /** Messages that it can be tried with. */
  readonly examples?: readonly { readonly title: string; readonly message: JsonValue }[];
  readonly steps: readonly { readonly name: string; readonly step_type: string }[];
}

/** What is known of them. */
export interface Workflows {
  /** Null until they came. */
  readonly workflows: readonly Workflow[] | null;
  /** Why they didn't. */
  readonly fault: string | null;
  readonly again: () => void;
  /** The name of a workflow; its id while that isn't known. */
  readonly nameOf: (id: string) => string;
}

interface Answer {
  workflows: readonly Workflow[] | null;
  fault: string | null;
}

let known: Answer = { workflows: null, fault: null };
/** The token that they were asked for with last. */
let asked: string | null = null;
const listeners = new Set<() => void>();

/** The workflows of the server, for whoever is signed in. */
export function useWorkflows(): Workflows {
  const { token } = useSession();
  const answer = useSyncExternalStore(subscribe, () => known);
  useEffect(() => {
    if (token !== null && token !== asked) void ask(token);
  }, [token]);
  return useMemo(() => {
    const names = new Map(answer.workflows?.map((each) => [each.id, each.name]));
    const again = () => void (token !== null && ask(token));
    return { ...answer, again, nameOf: (id: string) => names.get(id) ?? id };
  }, [answer, token]);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

async function ask(token: string): Promise<void> {
  asked = token;
  const found = await fetched(token);
  if (asked !== token) return;
  known = found;
  for (const listener of listeners) listener();
}

async function fetched(token: string): Promise<Answer> {
  const { workflows } = known;
  try {
    // The server's own answer, also where its paths speak to other clients (docs/agentos.md).
    const headers = { Authorization: `Bearer ${token}`, Accept: "application/vnd.interlock+json, application/json" };
    const sent = Date.now();
    const response = await fetch(`${base}workflows`, { headers });
    setServerClock(clockAhead(response.headers.get("Date"), sent, Date.now()));
    const body = (await response.json()) as { workflows?: readonly Workflow[]; error?: string };
    if (response.ok) return { workflows: body.workflows ?? [], fault: null };
    return { workflows, fault: body.error ?? "The server doesn't say which workflows it has." };
  } catch {
    return { workflows, fault: "The workflows can't be loaded: the server can't be reached." };
  }
}
