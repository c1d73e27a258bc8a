/**
 * What waits to be sent: runs that are to be started, and decisions.
 *
 * Laws:
 * - What was sent is in one place, the client's outbox, which outlives a reload; it is shown until the server has answered.
 * - What was made before a reload is told of like anything else: a run joins its conversation, a decision its card.
 */

import { useSyncExternalStore } from "react";
import type { Client, Settled, WaitingAction } from "@interlock/client";
import { note, withdraw } from "../pauses/answers.ts";
import { refuse, spoke } from "../chat/store.ts";
import { session, useSession } from "./context.ts";

/** What the chat's own starts are found by in the outbox. */
export const FROM_CHAT = "chat";

const NOTHING: readonly WaitingAction[] = [];

/** What waits for the server's answer. */
export function useOutbox(): readonly WaitingAction[] {
  const outbox = useSession().client?.outbox;
  return useSyncExternalStore(
    (listener) => outbox?.subscribe(listener) ?? (() => undefined),
    () => outbox?.waiting ?? NOTHING,
  );
}

/** Whether what is sent arrives now. */
export function useIsConnected(): boolean {
  const { client } = useSession();
  return useSyncExternalStore(
    (listener) => client?.subscribe(listener) ?? (() => undefined),
    () => client !== null && isConnectedNow(client),
  );
}

/** The same, outside of a component. */
export function isConnectedNow({ connection: { phase } }: Pick<Client, "connection">): boolean {
  return phase === "live" || phase === "replaying";
}

/** The ids of what an action decides: requirements, and tools in them; none where it isn't a decision. */
export function decidedBy({ action }: WaitingAction): string[] {
  if (action.action !== "continue-workflow") return [];
  const { step_requirements: steps, error_requirements: errors } = action;
  const tools = (steps ?? []).flatMap((step) => step.executor_requirements ?? []);
  const whole = (steps ?? []).filter((step) => (step.executor_requirements ?? []).length === 0);
  return [...tools, ...whole, ...(errors ?? [])].flatMap(({ id }) => id ?? []);
}

/** Whether the client ended before an answer came: the next one of this person sends what is in the outbox. */
export function isPutOff(code: string): boolean {
  return ["closed", "disconnected", "invalid_token", "expired_token", "auth_required"].includes(code);
}

let adopted: Client | null = null;

/** Has what waited before a reload shown as what it is. */
function adopt(): void {
  const { client } = session.read();
  if (client === adopted) return;
  adopted = client;
  if (client === null) return;
  for (const waiting of client.outbox.waiting) {
    if (waiting.isRestored) note(decidedBy(waiting), { phase: "sending", error: null });
  }
  client.outbox.onSettled((settled) => settled.waiting.isRestored && told(settled));
}

function told({ waiting, ack, error }: Settled): void {
  const { action } = waiting;
  const ids = decidedBy(waiting);
  if (error?.code === "taken_back") withdraw(ids);
  else if (error === null) note(ids, { phase: "sent", error: null });
  else if (!isPutOff(error.code)) note(ids, { phase: "refused", error });
  if (action.action !== "start-workflow" || waiting.note !== FROM_CHAT) return;
  const { workflow_id: workflowId, message = null, session_id: sessionId = null } = action;
  if (ack?.run_id !== undefined) spoke({ runId: ack.run_id, workflowId }, sessionId);
  else if (error !== null && !isPutOff(error.code) && error.code !== "taken_back")
    refuse({ id: waiting.id, workflowId, message, sessionId, sentence: error.message });
}

session.subscribe(adopt);
adopt();
