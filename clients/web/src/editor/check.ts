/**
 * What is wrong with a definition as it is being written: what can be seen here, and what the server says.
 *
 * Laws:
 * - The server judges what is JSON; it is asked when nobody has typed for a moment, and only about the newest text.
 * - What is told is about the text that it was found in; while a newer one is checked, that is said.
 */

import { useEffect, useState } from "react";
import type { Client, JsonValue, MachineDefinition } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { errorOf } from "../ui/use-answer.ts";
import { JsonText, type Fault } from "./lines.ts";

const PAUSE_MS = 400;

/** What is known of a text. */
export interface Checked {
  /** The text that it is about. */
  readonly text: string;
  readonly faults: readonly Fault[];
  /** The definition; undefined where the text isn't JSON. */
  readonly definition: JsonValue | undefined;
  /** Why the server couldn't say. */
  readonly problem: string | null;
}

/** The text, checked; the last one that was, while the newest is still checked. */
export function useChecked(text: string): { checked: Checked | null; isChecking: boolean } {
  const { client, connection } = useInterlock();
  const isLive = connection.phase === "live";
  const [checked, setChecked] = useState<Checked | null>(null);
  useEffect(() => {
    let isOver = false;
    const timer = setTimeout(() => void check(client, text).then((found) => !isOver && setChecked(found)), PAUSE_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
    // Asked again when the connection is back: what couldn't be checked then can be now.
  }, [client, text, isLive]);
  return { checked, isChecking: checked?.text !== text };
}

async function check(client: Client, text: string): Promise<Checked> {
  const read = new JsonText(text);
  const broken = read.syntaxFault();
  if (broken !== null) return { text, faults: [broken], definition: undefined, problem: null };
  const definition = JSON.parse(text) as JsonValue;
  const own = read.doubles();
  if (!isObject(definition)) {
    const fault = read.faultAt("", "A definition is an object: {…}.", "error");
    return { text, faults: [fault], definition, problem: null };
  }
  try {
    const { errors = [], warnings = [] } = await client.machines.validate(definition as unknown as MachineDefinition);
    const faults = [
      ...errors.map(({ path, message }) => read.faultAt(path, message, "error")),
      ...warnings.map(({ path, message }) => read.faultAt(path, message, "warning")),
      ...own,
    ];
    return { text, faults: inOrder(faults), definition, problem: null };
  } catch (error) {
    return { text, faults: own, definition, problem: errorOf(error).message };
  }
}

/** By severity, then by their place. */
function inOrder(faults: readonly Fault[]): Fault[] {
  const rank = { error: 0, warning: 1 };
  return [...faults].sort((a, b) => rank[a.severity] - rank[b.severity] || a.from - b.from);
}

function isObject(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
