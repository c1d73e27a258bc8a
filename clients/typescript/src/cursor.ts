/**
 * Which events of a run were seen, which are still to come, and what of a message is news.
 *
 * Laws:
 * - No I/O. It answers messages with events to hand on, and says what to ask the server for.
 * - Each index of an epoch is handed on once, in order. What was seen is dropped; a hole is never handed on.
 * - A gap moves the cursor only together with its snapshot: who loses the connection between the two asks again and is
 *   told again.
 * - After asking, everything is stale until the server has acknowledged and answered: events of the stream that was
 *   asked to stop may still be under way.
 */

import type { CatchUp, Gap, Reconnect, Replay, Subscribed } from "./protocol.js";
import { indexOf, isFinal, isFinalEvent, isSnapshot, type Received, type RunMessage, type Snapshot } from "./events.js";

/** A place in a run: the last event that was seen of it. */
export interface Place {
  epoch: number | null;
  lastEventIndex: number | null;
}

/** Where the following of a run begins; see `FollowOptions`. */
export type Beginning = "start" | "snapshot" | "stored" | Place;

/** An event came too early: one before it is missing, or its epoch isn't the one that is followed. */
export class Hole extends Error {
  override readonly name = "Hole";
}

/** How far the server is with what was asked of it. `idle`: nothing is asked for, and whatever comes is stale. */
type Sync = "idle" | "asked" | "acknowledged" | "streaming";

/** The place of one client in one run. */
export class Cursor {
  readonly runId: string;
  /** The index of the last event that was handed on; null before the first. */
  last: number | null;
  epoch: number | null;
  /** There is nothing more to come. */
  ended = false;
  /** The index after the last one that the server had when it was asked last. */
  end = 0;
  sync: Sync;
  #snapshot: boolean;
  #gap: Gap | null = null;

  constructor(runId: string, options: { place?: Place; snapshot?: boolean; streaming?: boolean } = {}) {
    this.runId = runId;
    this.last = options.place?.lastEventIndex ?? null;
    this.epoch = options.place?.epoch ?? null;
    this.sync = options.streaming ? "streaming" : "idle";
    this.#snapshot = (options.snapshot ?? false) && this.last === null;
  }

  /** How many events are still to come, of those that the server had when it was asked last. */
  get behind(): number {
    return this.ended ? 0 : Math.max(0, this.end - ((this.last ?? -1) + 1));
  }

  /** The message that brings what follows the last event. */
  ask(requestId: string, workflowId: string | null): Reconnect {
    this.sync = "asked";
    this.#gap = null;
    return {
      action: "reconnect",
      run_id: this.runId,
      request_id: requestId,
      ...(workflowId === null ? {} : { workflow_id: workflowId }),
      ...(this.last === null ? {} : { last_event_index: this.last }),
      ...(this.epoch === null || this.last === null ? {} : { epoch: this.epoch }),
      ...(this.#snapshot ? { snapshot: true } : {}),
    };
  }

  /** The server has taken up what was asked last. */
  acknowledged(): void {
    if (this.sync === "asked") this.sync = "acknowledged";
  }

  /** Whatever still comes is stale: the connection is gone, or the server was asked to stop. */
  stop(): void {
    this.sync = "idle";
    this.#gap = null;
  }

  /** What of a message is news, in order. Throws a `Hole` where events are missing before it. */
  take(message: Received): RunMessage[] {
    if (this.ended || this.sync === "idle" || this.sync === "asked") return [];
    const answer = answerOf(message);
    if (answer !== null) return this.#answered(answer);
    if (isSnapshot(message)) return this.#snapped(message);
    const index = indexOf(message);
    if (index === undefined || this.sync !== "streaming") return [];
    return this.#advance(message as RunMessage & { epoch: number }, index);
  }

  #answered(message: Answer): RunMessage[] {
    this.sync = "streaming";
    if (message.event === "gap") {
      this.#gap = message;
      return [];
    }
    this.end = endOf(message);
    if (this.last === null) this.epoch = message.epoch; // nothing was seen: whatever it was before says nothing
    this.epoch ??= message.epoch;
    // A finished run of which nothing was missed: no final event will come again.
    this.ended = message.event === "replay" && message.missed_events === 0 && !this.#snapshot;
    return [];
  }

  #snapped(snapshot: Snapshot): RunMessage[] {
    const gap = this.#gap;
    if (gap !== null) this.#move(gap.epoch, gap.next_event_index - 1);
    else if (this.#snapshot) this.#move(snapshot.epoch, snapshot.as_of);
    else return [];
    this.#gap = null;
    this.#snapshot = false;
    this.ended = isFinal(snapshot.status);
    return gap === null ? [snapshot] : [gap, snapshot];
  }

  #move(epoch: number, last: number): void {
    this.epoch = epoch;
    this.last = last >= 0 ? last : null;
    this.end = last + 1;
  }

  #advance(message: RunMessage & { epoch: number }, index: number): RunMessage[] {
    if (this.#gap !== null || this.#snapshot) return []; // it is older than the snapshot, and part of it
    const due = (this.last ?? -1) + 1;
    if ((this.epoch !== null && this.epoch !== message.epoch) || index > due) {
      const where = `${message.epoch}-${index} came where ${this.epoch ?? "?"}-${due} was due`;
      throw new Hole(`run ${this.runId}: event ${where}`);
    }
    if (index < due) return [];
    this.last = index;
    this.epoch = message.epoch;
    this.ended = isFinalEvent(message);
    return [message];
  }
}

type Answer = CatchUp | Replay | Subscribed | Gap;

function answerOf(message: Received): Answer | null {
  const names: readonly string[] = ["catch_up", "replay", "subscribed", "gap"];
  return names.includes(message.event) ? (message as Answer) : null;
}

function endOf(message: CatchUp | Replay | Subscribed): number {
  switch (message.event) {
    case "catch_up":
      return message.current_event_count;
    case "replay":
      return message.total_events;
    case "subscribed":
      return message.next_event_index;
  }
}
