/** How much waits, for the navigation and the page's title; new things are announced. */

import { useEffect } from "react";
import { usePending } from "@interlock/client/react";
import { tellOnce } from "../pauses/announcements.ts";
import { asksOf } from "../pauses/words.ts";
import { useWorkflows } from "../session/workflows.ts";
import { useWaiting } from "../ui/title.ts";

/** How long a run that is on the page has to tell its pauses itself. */
const PATIENCE_MS = 1000;

/** The number of things that wait. */
export function InboxBadge() {
  const { pending, loading } = usePending();
  const { nameOf } = useWorkflows();
  useWaiting(pending.length);
  useEffect(() => {
    if (loading) return undefined;
    const tell = () => {
      for (const { run, pending: each } of pending) {
        tellOnce(each.id, `${nameOf(run.workflow_id)} waits: ${asksOf(each.kind)}, ${each.step_name}.`);
      }
    };
    const timer = setTimeout(tell, PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [pending, loading, nameOf]);
  if (pending.length === 0) return null;
  return (
    <span className="count">
      {pending.length}
      <span className="unseen"> waiting</span>
    </span>
  );
}
