/** Where a run or a step stands: a colour, and always the word. */

import type { RunStatus, StepState } from "@interlock/client";

const STATUS: Record<RunStatus, [string, string]> = {
  PENDING: ["Pending", "calm"],
  RUNNING: ["Running", "busy"],
  PAUSED: ["Waiting", "ask"],
  COMPLETED: ["Completed", "good"],
  CANCELLED: ["Cancelled", "calm"],
  ERROR: ["Failed", "bad"],
};

const STATE: Record<StepState, [string, string]> = {
  waiting: ["Not begun", "calm"],
  running: ["Running", "busy"],
  paused: ["Waiting", "ask"],
  completed: ["Completed", "good"],
  skipped: ["Skipped", "calm"],
  failed: ["Failed", "bad"],
  interrupted: ["Interrupted", "busy"],
  stopped: ["Stopped", "calm"],
};

/** The word for a status. */
export function statusWord(status: RunStatus): string {
  return STATUS[status][0];
}

/** The word for a step's state. */
export function stateWord(state: StepState): string {
  return STATE[state][0];
}

/** A run's status. */
export function Status({ status }: { status: RunStatus }) {
  const [word, tone] = STATUS[status];
  return <Badge word={word} tone={tone} />;
}

/** A step's state. */
export function State({ state }: { state: StepState }) {
  const [word, tone] = STATE[state];
  return <Badge word={word} tone={tone} />;
}

/** A word with its colour. */
export function Badge({ word, tone }: { word: string; tone: string }) {
  return (
    <span className={`badge ${tone}`}>
      <span className="dot" aria-hidden />
      {word}
    </span>
  );
}
