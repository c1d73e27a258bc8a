/** What tasks and links on the canvas can do. */

import { createContext, useContext } from "react";
import type { TaskType } from "@interlock/client";
import type { Change, Graph } from "./model.ts";

/** What the canvas tells the page. */
export interface BoardActions {
  graph: Graph;
  types: ReadonlyMap<string, TaskType>;
  /** Nothing can be changed: a version of others is shown. */
  isEditable: boolean;
  onSelect: (id: string | null) => void;
  /** Null is no change. */
  onChange: (change: Change | null) => void;
  onConnect: (from: string, to: string) => void;
  /** The task that is selected stays so, under its new name. */
  onRename: (from: string, to: string) => void;
}

/** Set by the `Board`. */
export const BoardContext = createContext<BoardActions | null>(null);

/** The canvas that a task or a link stands on. */
export function useBoard(): BoardActions {
  const board = useContext(BoardContext);
  if (board === null) throw new Error("this belongs on a <Board>");
  return board;
}
