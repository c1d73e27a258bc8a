/** What is said of states and of ways, for people who don't see the picture, too. Pure. */

import type { MachineVersion } from "@interlock/client";
import { counted } from "../ui/format.ts";
import type { StateKind, StateModel, WayModel } from "./model.ts";
import type { StateProgress } from "./progress.ts";

const KINDS: Readonly<Record<StateKind, string>> = {
  action: "Action",
  halting: "Waits for an answer",
  parallel: "Parallel",
  terminal: "End",
  wait: "Waits",
  unknown: "Unknown type",
};

/** What kind of state it is. */
export function kindWord(kind: StateKind): string {
  return KINDS[kind];
}

/** Where a run stands with a state: "now", "waits here", "passed 3 times"; empty where it hasn't been. */
export function progressWords(progress: StateProgress | null): string {
  if (progress === null) return "";
  const { inside, halted, entered, failed, isEnd } = progress;
  const now =
    halted > 0 ? "waits here now" : inside > 0 ? "is here now" : failed ? "failed here" : isEnd ? "ended here" : "";
  const times = inside === 0 && !isEnd ? "passed" : "entered";
  return [now, entered === 0 ? "" : `${times} ${counted(entered, "time")}`].filter(Boolean).join(", ");
}

/** What the picture of a state says without words. */
export function signWords(state: StateModel, progress: StateProgress | null): string {
  const parts = [kindWord(state.kind), state.isInitial ? "begins here" : "", progressWords(progress)];
  return parts.filter(Boolean).join(", ");
}

/** A way, from its state on. */
export function wayWords({ to, kind, says }: WayModel): string {
  if (kind === "transition") return says === "" ? `to ${to}` : `to ${to}, if ${says}`;
  return `to ${to}, ${says}`;
}

/** "Version 3", or its id where a server doesn't number them. */
export function numberOf({ number, version_id: id }: Pick<MachineVersion, "number" | "version_id">): string {
  return `Version ${number ?? id}`;
}
