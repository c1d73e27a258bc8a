/**
 * The items of the inbox: what is shown of each, which are, and in which order. Pure.
 *
 * Laws:
 * - What is asked for is all in the address: tab, search, filters, grouping. Anything unknown there is left out.
 * - The nearest deadline comes first; without one, what is urgent, and then the newest.
 */

import type { PendingItem, RequirementClaim, RequirementPolicy } from "@interlock/client";
import { asksOf } from "../pauses/words.ts";
import { lineOf } from "../ui/format.ts";

/** Whom an item is for: this person by name or as the owner, one of their groups, or whoever is in the namespace. */
export type Scope = "mine" | "groups" | "others";

/** How urgent it is said to be. */
export type Priority = "low" | "normal" | "high" | "urgent";

const URGENCY: Record<Priority, number> = { urgent: 3, high: 2, normal: 1, low: 0 };

/** One thing that waits. */
export interface InboxItem {
  readonly interaction_id: string;
  readonly run_id: string;
  readonly requirement_id: string;
  readonly workflow_id: string;
  readonly namespace: string | null;
  readonly user_id: string;
  readonly created_at: number;
  /** The name of the flag that is true. */
  readonly kind: string;
  readonly message: string;
  /** What is decided about, in a line; empty where nothing is known of it. */
  readonly subject: string;
  readonly priority: Priority;
  /** How several decide together; null where one person does. */
  readonly policy: RequirementPolicy | null;
  /** Who is on it; null where nobody is, or was until a time that may be over. */
  readonly claim: RequirementClaim | null;
  readonly step_name: string;
  readonly assignees: readonly string[];
  /** When it is due, or else decided without people, in milliseconds since 1970; null where neither is. */
  readonly deadline: number | null;
  readonly scope: Scope;
}

/** Who looks. */
export interface Onlooker {
  readonly userId: string | null;
  readonly groups: readonly string[] | null;
}

const GROUP = "group:";
const MOST_SUBJECT = 240;

/** An item, of what a list of runs says. */
export function itemOf({ run, pending }: PendingItem, who: Onlooker): InboxItem {
  const { confirmation_message, output_review_message, error_message, interaction } = pending;
  const at = Date.parse(pending.due_at ?? pending.timeout_at ?? "");
  const assignees = pending.assignees ?? [];
  const [paragraph] = pending.user_input_message?.split("\n\n") ?? [];
  return {
    interaction_id: `${pending.id}.${run.run_id}`,
    run_id: run.run_id,
    requirement_id: pending.id,
    workflow_id: run.workflow_id,
    namespace: run.namespace ?? null,
    user_id: run.user_id,
    created_at: run.created_at,
    kind: pending.kind,
    message:
      interaction?.title ??
      confirmation_message ??
      // A halt says its title first, and what it says in full is on its card.
      paragraph ??
      output_review_message ??
      error_message ??
      asksOf(pending.kind),
    subject: lineOf(interaction?.title == null ? pending.subject : (paragraph ?? pending.subject), MOST_SUBJECT),
    priority: interaction?.priority ?? "normal",
    policy: pending.policy ?? null,
    claim: pending.claim ?? null,
    step_name: pending.step_name,
    assignees,
    deadline: Number.isNaN(at) ? null : at,
    scope: scopeOf(assignees, run.user_id, who),
  };
}

function scopeOf(assignees: readonly string[], owner: string, { userId, groups }: Onlooker): Scope {
  if (userId !== null && (assignees.length === 0 ? owner === userId : assignees.includes(userId))) return "mine";
  const asked = assignees.filter((name) => name.startsWith(GROUP)).map((name) => name.slice(GROUP.length));
  return asked.some((group) => groups?.includes(group) ?? true) ? "groups" : "others";
}

export const TABS = ["all", "mine", "groups"] as const;
export const GROUPINGS = ["none", "workflow", "kind", "namespace"] as const;

/** What is asked for. An empty text is no filter. */
export interface Asked {
  readonly tab: (typeof TABS)[number];
  readonly search: string;
  readonly workflow: string;
  readonly kind: string;
  readonly namespace: string;
  readonly group: (typeof GROUPINGS)[number];
}

/** What is asked for by an address without anything. */
export const EVERYTHING: Asked = { tab: "all", search: "", workflow: "", kind: "", namespace: "", group: "none" };

/** What the search part of an address asks for. */
export function askedBy(search: string): Asked {
  const said = new URLSearchParams(search);
  const text = (name: string) => said.get(name) ?? "";
  return {
    tab: TABS.find((each) => each === said.get("tab")) ?? "all",
    search: text("search"),
    workflow: text("workflow"),
    kind: text("kind"),
    namespace: text("namespace"),
    group: GROUPINGS.find((each) => each === said.get("group")) ?? "none",
  };
}

/** The one item that the search part of an address leads to. */
export function itemIn(search: string): string | null {
  return new URLSearchParams(search).get("item");
}

/** The address of an item in the inbox. */
export function addressOfItem(interactionId: string): string {
  return `/inbox?${new URLSearchParams({ item: interactionId }).toString()}`;
}

/** The search part of an address that asks for this; what is as always isn't in it. */
export function addressOf(asked: Asked): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(asked) as [keyof Asked, string][])
    if (value !== EVERYTHING[name]) said.set(name, value);
  return said.toString();
}

/** Whether an item is asked for; `nameOf` gives the name of a workflow, which is searched too. */
export function isAskedFor(item: InboxItem, asked: Asked, nameOf: (workflowId: string) => string): boolean {
  if (asked.tab !== "all" && item.scope !== asked.tab) return false;
  if (asked.workflow !== "" && item.workflow_id !== asked.workflow) return false;
  if (asked.kind !== "" && item.kind !== asked.kind) return false;
  if (asked.namespace !== "" && item.namespace !== asked.namespace) return false;
  const { message, subject, step_name, user_id, run_id, kind } = item;
  const text = [message, subject, step_name, user_id, run_id, asksOf(kind), nameOf(item.workflow_id)]
    .join("\n")
    .toLowerCase();
  return asked.search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The nearest deadline first, then the most urgent, then the newest. */
export function byUrgency(a: InboxItem, b: InboxItem): number {
  const [first, second] = [a.deadline ?? Infinity, b.deadline ?? Infinity];
  if (first !== second) return first < second ? -1 : 1;
  return URGENCY[b.priority] - URGENCY[a.priority] || b.created_at - a.created_at;
}

/** The items under the headings that were asked for, each in their order; one group without a name where none were. */
export function inGroups(
  items: readonly InboxItem[],
  group: Asked["group"],
  nameOf: (workflowId: string) => string,
): [string, InboxItem[]][] {
  const headings: Record<Asked["group"], (item: InboxItem) => string> = {
    none: () => "",
    workflow: (item) => nameOf(item.workflow_id),
    kind: (item) => asksOf(item.kind),
    namespace: (item) => item.namespace ?? "No namespace",
  };
  const found = new Map<string, InboxItem[]>();
  for (const item of items) {
    const heading = headings[group](item);
    found.set(heading, [...(found.get(heading) ?? []), item]);
  }
  return [...found];
}

/** Whether a plain yes or no answers an item. */
export function takesYesOrNo({ kind }: InboxItem): boolean {
  return kind === "requires_confirmation" || kind === "requires_output_review" || kind === "requires_iteration_review";
}

/** The item to go on with after one is decided: the next in the list that waits, or else the first that does. */
export function nextAfter(id: string, order: readonly string[], waits: (id: string) => boolean): string | null {
  const place = order.indexOf(id);
  const others = [...order.slice(place + 1), ...order.slice(0, Math.max(0, place))];
  return others.find((each) => each !== id && waits(each)) ?? null;
}

/** The place of the item that comes after a key that moves: it stays within the list. */
export function moved(place: number, by: number, length: number): number {
  return Math.max(0, Math.min(length - 1, place + by));
}
