/**
 * What screen readers are told of a run: what it waits for, and its end.
 *
 * Laws:
 * - Each pause is told once, whoever shows it: a run that is on the page tells its own, the inbox those of the others.
 * - The past isn't told: nothing is while it is replayed, and no end that was there before.
 */

import { useEffect, useRef } from "react";
import { isFinal, type RunView } from "@interlock/client";
import { announce } from "../ui/announcer.tsx";
import { statusWord } from "../ui/status.tsx";
import { messageOf } from "./message.ts";
import { ASKS } from "./words.ts";

const told = new Set<string>();

/** Tells that something waits, unless that was told. */
export function tellOnce(id: string, sentence: string): void {
  if (told.has(id)) return;
  told.add(id);
  announce(sentence);
}

/** Tells what happens in a run from now on. */
export function useAnnouncements(view: RunView, name: string, isReplaying: boolean): void {
  const status = useRef<RunView["status"] | null>(null);
  useEffect(() => {
    if (isReplaying || view.lastIndex === null) return;
    for (const each of view.pending) {
      const asks = `${ASKS[each.kind]}, ${each.requirement.step_name}: ${messageOf(each)}`;
      tellOnce(each.id, `${name} waits: ${asks}`);
    }
    const before = status.current;
    if (before !== null && before !== view.status && isFinal(view.status))
      announce(`${name}: ${statusWord(view.status)}.`);
    status.current = view.status;
  }, [view, name, isReplaying]);
}
