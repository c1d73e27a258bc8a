/**
 * What the server refused an answer with.
 *
 * Laws:
 * - Who was too late is told who won, and with what.
 * - What is told at a field isn't told a second time.
 */

import type { InterlockError, PauseKind } from "@interlock/client";
import { Notice } from "../ui/notice.tsx";
import { useAnswer } from "./answers.ts";
import { useScene } from "./run-context.ts";
import { deciderOf, winnerOf } from "./words.ts";

/** The refusal of the answer to a question, if there is one. */
export function Refusal({ id, kind, isOver = false }: { id: string; kind: PauseKind; isOver?: boolean }) {
  const answer = useAnswer(id);
  const { userId } = useScene();
  const error = answer?.phase === "refused" ? answer.error : null;
  if (error === null) return null;
  if (isOver && error.code !== "conflict" && error.code !== "requirement_expired") return null;
  if (error.code === "invalid_decision" && error.fields.some((fault) => fault.field !== "")) return null;
  return <Notice tone="fault">{sentenceOf(error, kind, userId)}</Notice>;
}

/** The sentence for an error. */
export function sentenceOf(error: InterlockError, kind: PauseKind, userId: string | null): string {
  const winner = error.resolvedBy;
  if ((error.code === "conflict" || error.code === "requirement_expired") && winner !== undefined) {
    const who = deciderOf(winner, userId);
    const words = error.decision === undefined ? "" : `: ${winnerOf(error.decision, kind)}`;
    return `Your answer came too late. It was already decided by ${who === "you" ? "you, elsewhere" : who}${words}.`;
  }
  return error.message;
}
