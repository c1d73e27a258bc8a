/** How types of tasks and conditions look, and what they are called. */

import {
  Bot,
  CheckCheck,
  Clock,
  Code,
  Cog,
  Globe,
  Hand,
  ListTree,
  Mail,
  MessageSquare,
  PencilLine,
  Radio,
  Repeat,
  Split,
  Workflow,
  type LucideIcon,
} from "lucide-react";
import type { TaskType } from "@interlock/client";

const ICONS: Readonly<Record<string, LucideIcon>> = {
  http: Globe,
  script: Code,
  condition: Split,
  map: Repeat,
  delay: Clock,
  set: PencilLine,
  prompt: Bot,
  email: Mail,
  slack_message: MessageSquare,
  workflow: Workflow,
  signal: Radio,
  approval: CheckCheck,
};

const OF_KINDS: Readonly<Record<string, LucideIcon>> = { call: Cog, human: Hand, flow: ListTree };

/** The sign of a type. */
export function TypeIcon({ type, size = 17 }: { type: Pick<TaskType, "name" | "kind"> | string; size?: number }) {
  const [name, kind] = typeof type === "string" ? [type, "call"] : [type.name, type.kind];
  const Icon = ICONS[name] ?? OF_KINDS[kind] ?? Cog;
  return <Icon size={size} aria-hidden />;
}

/** What a condition is called. */
export function conditionWord(condition: string): string {
  return condition.startsWith("port:") ? condition.slice("port:".length) : (WORDS[condition] ?? condition);
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
