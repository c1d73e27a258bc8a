/** Webhooks in words. Pure. */

import type { Delivery, DeliveryAttempt, Subscription } from "@interlock/client";
import { durationOf } from "../ui/format.ts";

const COMMON = "workflow.instance.";
const OF_INTERACTIONS = "interaction.";

const OF_RUNS = [
  ["created", "An instance or a run began"],
  ["halted", "It waits for somebody"],
  ["resumed", "Somebody answered"],
  ["completed", "It ended well"],
  ["failed", "It ended with an error"],
  ["cancelled", "It was cancelled, or its time was over"],
].map(([name, tells]) => ({ event: `${COMMON}${name}`, name: `${name}`, tells: `${tells}` }));

const OF_QUESTIONS = [
  ["created", "Somebody is asked for an approval, a choice or an input"],
  ["responded", "Somebody answered; several may"],
  ["completed", "It is decided"],
  ["expired", "Nobody answered in time"],
  ["cancelled", "It was taken back, or its run ended"],
].map(([name, tells]) => ({
  event: `${OF_INTERACTIONS}${name}`,
  name: `${OF_INTERACTIONS}${name}`,
  tells: `${tells}`,
}));

/** The events that there are, with what each tells. */
export const EVENTS = [...OF_RUNS, ...OF_QUESTIONS];

/** An event without what all have in common. */
export function shortOf(event: string): string {
  return event.startsWith(COMMON) ? event.slice(COMMON.length) : event;
}

/** Which events a subscription is told of. */
export function eventsOf({ events }: Pick<Subscription, "events">): string {
  const all = EVENTS.every(({ event }) => events.includes(event));
  return all ? "All events" : events.map(shortOf).join(", ");
}

/** How a subscription is: a word, its colour, and why, where there is something to say. */
export function stateOf(subscription: Subscription): { word: string; tone: string; why: string | null } {
  const { status, resting, disabled_because: because, failures } = subscription;
  if (status === "disabled") {
    if (because === "gone")
      return { word: "Disabled", tone: "bad", why: "The receiver answered 410: it wants nothing more." };
    if (because === "failing") return { word: "Disabled", tone: "bad", why: "The receiver failed for three days." };
    return { word: "Paused", tone: "calm", why: "Somebody paused it. Nothing is kept for it meanwhile." };
  }
  if (resting) {
    const why = `The last ${failures} attempts failed. One is tried from time to time, and what waits is kept.`;
    return { word: "Resting", tone: "ask", why };
  }
  return { word: "Active", tone: "good", why: failures > 0 ? `The last ${times(failures)} failed.` : null };
}

function times(failures: number): string {
  return failures === 1 ? "attempt" : `${failures} attempts`;
}

const DELIVERY: Readonly<Partial<Record<string, [string, string]>>> = {
  pending: ["Pending", "busy"],
  delivered: ["Delivered", "good"],
  dead: ["Dead", "bad"],
  dropped: ["Dropped", "calm"],
};

/** The statuses of deliveries, with their words. */
export const STATUSES = Object.entries(DELIVERY).map(([key, word]) => ({ key, label: word?.[0] ?? key }));

/** A delivery's status: a word and its colour. */
export function deliveryWord({ status }: Pick<Delivery, "status">): [string, string] {
  return DELIVERY[status] ?? [status, "calm"];
}

/** What is to know of a delivery besides its status. */
export function deliveryNote({ status, next_attempt_at: next }: Delivery): string | null {
  if (status === "dropped") return "Whoever made the subscription might not read the run.";
  if (status === "dead") return "Nothing more is tried.";
  if (status === "pending" && next === null) return "It waits for an earlier event of its run.";
  return null;
}

/** What came of an attempt. */
export function attemptWord({ code, duration_ms: ms }: DeliveryAttempt): string {
  return `${code === null ? "No answer" : `HTTP ${code}`} after ${durationOf(ms)}`;
}
