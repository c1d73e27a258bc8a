/**
 * Several items decided at once.
 *
 * Laws:
 * - What is decided is named, item by item, before it is. Each decision is its own.
 * - What was refused is told, with the reason, and stays selected.
 */

import { useState } from "react";
import type { PendingItem, Verdict } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { counted } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import type { InboxItem } from "./items.ts";

/** An item with what decides it. */
export interface Choosable {
  readonly item: InboxItem;
  readonly waits: PendingItem;
}

interface BulkProps {
  chosen: readonly Choosable[];
  decide: (waits: PendingItem, decision: Verdict) => Promise<void>;
  onDone: (ids: readonly string[]) => void;
}

type Way = "Approve" | "Reject";

/** The decisions for what is selected. */
export function Bulk({ chosen, decide, onDone }: BulkProps) {
  const [way, setWay] = useState<Way | null>(null);
  const [refused, setRefused] = useState<readonly string[]>([]);
  const [isBusy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    const failed = await eachDecided(chosen, (waits) => decide(waits, { confirmed: way === "Approve" }));
    setBusy(false);
    setWay(null);
    setRefused(failed.map(({ item, why }) => `${item.message} (${item.step_name}): ${why}`));
    const left = failed.map(({ item }) => item.interaction_id);
    onDone(chosen.map(({ item }) => item.interaction_id).filter((id) => !left.includes(id)));
  };
  return (
    <>
      {chosen.length > 0 && (
        <div className="bar bulk" role="group" aria-label="Selected">
          <span>{counted(chosen.length, "selected", "selected")}</span>
          <Button onPress={() => setWay("Approve")}>Approve {chosen.length}…</Button>
          <Button onPress={() => setWay("Reject")}>Reject {chosen.length}…</Button>
        </div>
      )}
      <Refused refused={refused} onClose={() => setRefused([])} />
      <Dialog
        title={`${way ?? ""} ${counted(chosen.length, "item")}?`}
        isOpen={way !== null}
        onClose={() => setWay(null)}
      >
        <div className="stack">
          <ul className="said-list">
            {chosen.map(({ item }) => (
              <li key={item.interaction_id}>
                {item.message}{" "}
                <span className="hint">
                  {item.step_name}, from {item.user_id}
                </span>
              </li>
            ))}
          </ul>
          <div className="actions">
            <Button tone={way === "Reject" ? "danger" : "primary"} isPending={isBusy} onPress={() => void go()}>
              {way} these {chosen.length}
            </Button>
            <Button tone="quiet" isDisabled={isBusy} onPress={() => setWay(null)}>
              Back
            </Button>
          </div>
        </div>
      </Dialog>
    </>
  );
}

function Refused({ refused, onClose }: { refused: readonly string[]; onClose: () => void }) {
  if (refused.length === 0) return null;
  return (
    <Notice tone="fault" action="Close" again={onClose}>
      {counted(refused.length, "decision was", "decisions were")} not taken:
      <ul>
        {refused.map((each, place) => (
          <li key={place}>{each}</li>
        ))}
      </ul>
    </Notice>
  );
}

/** Decides each, one after the other; gives those that were refused, and why. */
export async function eachDecided(
  chosen: readonly Choosable[],
  decide: (waits: PendingItem) => Promise<void>,
): Promise<{ item: InboxItem; why: string }[]> {
  const failed: { item: InboxItem; why: string }[] = [];
  for (const { item, waits } of chosen) {
    try {
      await decide(waits);
    } catch (error) {
      failed.push({ item, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return failed;
}
