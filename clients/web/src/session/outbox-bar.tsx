/** What waits to be sent while there is no connection: how much, and each of it, to be taken back. */

import { useState } from "react";
import type { WaitingAction } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { counted, lineOf } from "../ui/format.ts";
import { Time } from "../ui/time.tsx";
import { useOutbox } from "./outbox.ts";
import { useWorkflows } from "./workflows.ts";

/** How much waits to be sent; nothing where nothing does. */
export function Unsent() {
  const waiting = useOutbox();
  const [isOpen, setOpen] = useState(false);
  if (waiting.length === 0 && !isOpen) return null;
  return (
    <>
      <Button small onPress={() => setOpen(true)}>
        {counted(waiting.length, "thing")} waiting to be sent
      </Button>
      <Dialog title="Waiting to be sent" isOpen={isOpen} onClose={() => setOpen(false)}>
        <p className="hint">It is sent once, by itself, when the server can be reached again.</p>
        <ul className="stack">
          {waiting.map((each) => (
            <Line key={each.id} waiting={each} />
          ))}
        </ul>
      </Dialog>
    </>
  );
}

function Line({ waiting }: { waiting: WaitingAction }) {
  const { client } = useInterlock();
  const { nameOf } = useWorkflows();
  const { action, wasSent, id, at } = waiting;
  const about = "workflow_id" in action ? nameOf(action.workflow_id) : placeOf(action);
  const more = action.action === "start-workflow" ? lineOf(action.message ?? "", 80) : "";
  return (
    <li className="actions">
      <span>
        {WORDS[action.action]} {about}
        {more !== "" && `: “${more}”`} <Time at={at} />
      </span>
      <span className="spacer" />
      {wasSent ? (
        <span className="hint">Sent, and not answered yet</span>
      ) : (
        <Button small onPress={() => client.outbox.takeBack(id)}>
          Take it back
        </Button>
      )}
    </li>
  );
}

/** Which run an action is about, by what it has of that. */
function placeOf(action: WaitingAction["action"]): string {
  if ("run_id" in action && action.run_id) return action.run_id;
  return "interaction_id" in action ? (action.interaction_id?.split(".").at(-1) ?? "") : "";
}

const WORDS: Readonly<Record<WaitingAction["action"]["action"], string>> = {
  "start-workflow": "Start of",
  "continue-workflow": "Answer to",
  "cancel-workflow": "Stop of",
  signal: "Signal to",
  claim: "Claim in",
  release: "Release in",
  respond: "Answer in",
  seen: "Look at",
  draft: "Draft in",
  delegate: "Handing over in",
};
