/** How much waits, for the navigation, the page's title and the app's sign; new things are announced, and told by the device. */

import { useEffect, useMemo } from "react";
import { useInterlock, usePending } from "@interlock/client/react";
import { tellOnce } from "../pauses/announcements.ts";
import { asksOf } from "../pauses/words.ts";
import { useWorkflows } from "../session/workflows.ts";
import { useWaiting } from "../ui/title.ts";
import { itemOf } from "./items.ts";
import { useNotifications } from "./notify.ts";

/** How long a run that is on the page has to tell its pauses itself. */
const PATIENCE_MS = 1000;

/** The number of things that wait. */
export function InboxBadge() {
  const { pending, loading } = usePending();
  const { userId, groups } = useInterlock().connection;
  const { nameOf } = useWorkflows();
  const items = useMemo(() => pending.map((each) => itemOf(each, { userId, groups })), [pending, userId, groups]);
  useWaiting(pending.length);
  useNotifications(loading ? null : items, nameOf);
  useEffect(() => {
    if (loading) return undefined;
    const tell = () => {
      for (const each of items) {
        const asks = `${asksOf(each.kind)}, ${each.step_name}: ${each.message}`;
        tellOnce(each.requirement_id, `${nameOf(each.workflow_id)} waits: ${asks}`);
      }
    };
    const timer = setTimeout(tell, PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [items, loading, nameOf]);
  if (pending.length === 0) return null;
  return (
    <span className="count">
      {pending.length}
      <span className="unseen"> waiting</span>
    </span>
  );
}
