/** The run whose cards are shown, and how it is answered. */

import { createContext, useContext } from "react";
import type { Decision, DecisionView, OnBehalf, Pending, RunView } from "@interlock/client";
import type { Past } from "./history.ts";

/** The ways to say who is on a requirement of this run, by its id. */
export interface Attend {
  readonly claim: (requirement: string) => Promise<void>;
  readonly release: (requirement: string) => Promise<void>;
  readonly delegate: (requirement: string, to: string, reason?: string) => Promise<void>;
}

/** What the cards of a run have in common. */
export interface RunScene {
  readonly view: RunView;
  readonly past: Past;
  /** The decisions of the run, by the requirement. */
  readonly decisions: ReadonlyMap<string, readonly DecisionView[]>;
  /** What waits now, by its id. */
  readonly pending: ReadonlyMap<string, Pending>;
  /** Who looks at it. */
  readonly userId: string | null;
  readonly scopes: readonly string[];
  readonly namespaces: readonly string[];
  /** The groups of who looks at it; null where the server doesn't tell. */
  readonly groups: readonly string[] | null;
  /** Events of the past are still to come. */
  readonly isReplaying: boolean;
  /** Says who is on a requirement: see `Client.claim`, `release` and `delegate`. */
  readonly attend: Attend;
  readonly decide: (requirement: string, decision: Decision, behalf?: OnBehalf) => Promise<void>;
}

/** Set by `RunStage`. */
export const SceneContext = createContext<RunScene | null>(null);

/** The run that a card belongs to. */
export function useScene(): RunScene {
  const scene = useContext(SceneContext);
  if (scene === null) throw new Error("this belongs inside of a <RunStage>");
  return scene;
}
