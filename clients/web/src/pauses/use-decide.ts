/** How the form of a card answers its question. */

import { useCallback, useMemo } from "react";
import type { Decision, FieldFault } from "@interlock/client";
import { answer, useAnswer } from "./answers.ts";
import { useScene } from "./run-context.ts";

/** What a form gets. */
export interface Deciding {
  send: (decision: Decision) => void;
  /** The fields that the server says are wrong. */
  faults: readonly FieldFault[];
  faultOf: (field: string) => string | undefined;
}

/** Answers a requirement, or (`tool`) one tool of it. */
export function useDecide(requirement: string, tool?: string): Deciding {
  const { decide } = useScene();
  const id = tool ?? requirement;
  const given = useAnswer(id);
  const faults = useMemo(() => (given?.phase === "refused" ? (given.error?.fields ?? []) : []), [given]);
  const send = useCallback(
    (decision: Decision) => void answer([id], () => decide(requirement, decision)),
    [id, requirement, decide],
  );
  return { send, faults, faultOf: (field) => faults.find((fault) => fault.field === field)?.error };
}
