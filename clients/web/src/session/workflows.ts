/**
 * The workflows that the server has.
 *
 * Laws:
 * - They are asked for once for each token, and again when the person says so.
 * - While they are asked for again, those that are known stay.
 */

import { useCallback, useEffect, useMemo, useState } from "react";
import type { JsonValue } from "@interlock/client";
import { useSession } from "./context.ts";
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

const NOTHING: Answer = { workflows: null, fault: null };
let asked: { key: string; answer: Promise<Answer> } | null = null;
let last: Answer = NOTHING;

/** The workflows of the server, for whoever is signed in. */
export function useWorkflows(): Workflows {
  const { token } = useSession();
  const [answer, setAnswer] = useState(last);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let current = true;
    if (token === null) return undefined;
    void ask(token, tries).then((found) => current && setAnswer(found));
    return () => void (current = false);
  }, [token, tries]);
  const again = useCallback(() => setTries((before) => before + 1), []);
  return useMemo(() => {
    const names = new Map(answer.workflows?.map((each) => [each.id, each.name]));
    return { ...answer, again, nameOf: (id: string) => names.get(id) ?? id };
  }, [answer, again]);
}

function ask(token: string, tries: number): Promise<Answer> {
  const key = `${tries} ${token}`;
  if (asked?.key !== key) asked = { key, answer: fetched(token) };
  return asked.answer;
}

async function fetched(token: string): Promise<Answer> {
  try {
    const response = await fetch(`${base}workflows`, { headers: { Authorization: `Bearer ${token}` } });
    const body = (await response.json()) as { workflows?: readonly Workflow[]; error?: string };
    if (!response.ok) return { ...last, fault: body.error ?? "The server doesn't say which workflows it has." };
    return (last = { workflows: body.workflows ?? [], fault: null });
  } catch {
    return { ...last, fault: "The workflows can't be loaded: the server can't be reached." };
  }
}
