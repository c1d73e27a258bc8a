/** How types of tasks and conditions look, and what they are called. */

import {
  AppWindow,
  BadgeCheck,
  CircleDot,
  ClipboardList,
  Code,
  Cog,
  Equal,
  Eye,
  Globe,
  Hand,
  Hash,
  Hourglass,
  ListChecks,
  ListTree,
  Mail,
  Megaphone,
  RadioTower,
  Repeat,
  Sparkles,
  Split,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import type { TaskType } from "@interlock/client";

/** By the names that the server calls them. */
const ICONS: Readonly<Record<string, LucideIcon>> = {
  "app-window": AppWindow,
  "badge-check": BadgeCheck,
  "circle-dot": CircleDot,
  "clipboard-list": ClipboardList,
  code: Code,
  equal: Equal,
  eye: Eye,
  globe: Globe,
  hash: Hash,
  hourglass: Hourglass,
  "list-checks": ListChecks,
  mail: Mail,
  megaphone: Megaphone,
  "radio-tower": RadioTower,
  repeat: Repeat,
  sparkles: Sparkles,
  split: Split,
  workflow: Workflow,
};

const OF_KINDS: Readonly<Record<string, LucideIcon>> = { call: Cog, human: Hand, flow: ListTree };

/** The sign of a type; of one that isn't known, undefined, the same as of any call. */
export function TypeIcon({ type, size = 17 }: { type: TaskType | undefined; size?: number }) {
  const Icon = ICONS[type?.icon ?? ""] ?? OF_KINDS[type?.kind ?? ""] ?? Cog;
  return <Icon size={size} aria-hidden />;
}

/** What a category is called. */
export function categoryWord(category: string): string {
  return category.charAt(0).toUpperCase() + category.slice(1);
}

/** What a condition is called. */
export function conditionWord(condition: string): string {
  return condition.startsWith("port:") ? condition.slice("port:".length) : (WORDS[condition] ?? condition);
}

/** The conditions that a link from a task of this type may have, and the one that it has. */
export function conditionsFor(type: TaskType | undefined, now: string): string[] {
  return [...new Set([...Object.keys(WORDS), ...(type?.ports ?? []).map((port) => `port:${port}`), now])];
}

const WORDS: Readonly<Record<string, string>> = { completed: "completed", failed: "failed", always: "always" };

/** What a condition means. */
export function conditionSays(condition: string, from: string): string {
  switch (condition) {
    case "completed":
      return `${from} ended well`;
    case "failed":
      return `${from} failed for good`;
    case "always":
      return `${from} ended, however it did`;
    default:
      return `${from} went by “${conditionWord(condition)}”`;
  }
}
