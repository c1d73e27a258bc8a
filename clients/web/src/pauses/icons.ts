/** The sign of each kind of pause; it never stands without the words. */

import {
  AlertOctagon,
  GitBranch,
  HelpCircle,
  ListChecks,
  MessageCircleQuestion,
  MousePointerClick,
  RadioTower,
  ScanEye,
  Wrench,
  type LucideIcon,
} from "lucide-react";
import type { PauseKind } from "@interlock/client";

/** By the kind of a pause. */
export const ICONS: Record<PauseKind, LucideIcon> = {
  confirmation: HelpCircle,
  user_input: ListChecks,
  route_selection: GitBranch,
  output_review: ScanEye,
  iteration_review: ScanEye,
  executor_input: Wrench,
  error_decision: AlertOctagon,
  signal: RadioTower,
  response: MessageCircleQuestion,
  interaction: MousePointerClick,
};

/** The sign for the name of a flag, as summaries have it. */
export function iconOf(flag: string): LucideIcon {
  const kind = flag.replace(/^requires_/, "");
  return Object.hasOwn(ICONS, kind) ? ICONS[kind as PauseKind] : HelpCircle;
}
