/** Everything that waits for whoever is signed in, in all runs, live; each can be decided in its place. */

import { ChevronDown, ChevronRight } from "lucide-react";
import { Link } from "wouter";
import type { PendingItem } from "@interlock/client";
import { usePending } from "@interlock/client/react";
import { PauseCard } from "../pauses/card.tsx";
import { useScene } from "../pauses/run-context.ts";
import { RunStage } from "../pauses/stage.tsx";
import { asksOf } from "../pauses/words.ts";
import { RunFault } from "../run/fault.tsx";
import { pathOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { useDraft } from "../ui/draft.ts";
import { counted, leftOf } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Ago, useNow } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";

const NONE: readonly PendingItem[] = [];

/** `#/inbox`. */
export function InboxPage() {
  useTitle("Inbox");
  const { pending, loading, more, error } = usePending();
  // What was opened stays until it is closed: who decided sees what came of it.
  const [open, setOpen] = useDraft<readonly PendingItem[]>("inbox/open", NONE);
  const isOpen = (item: PendingItem) => open.some((each) => each.pending.id === item.pending.id);
  const toggle = (item: PendingItem) =>
    setOpen(isOpen(item) ? open.filter((each) => each.pending.id !== item.pending.id) : [...open, item]);
  const gone = open.filter((each) => !pending.some((item) => item.pending.id === each.pending.id));
  return (
    <div className="page">
      <header className="page-head">
        <h1>Inbox</h1>
        {!loading && (
          <span className="hint">
            {counted(pending.length, "thing waits", "things wait")} for you
            {more && ", in the newest runs; load the page again for older ones"}
          </span>
        )}
      </header>
      {error && <Notice tone="fault">The inbox can’t be shown: {error.message}</Notice>}
      {loading && pending.length === 0 && error === null && <Skeleton label="Loading the inbox" lines={5} />}
      {!loading && error === null && pending.length + gone.length === 0 && (
        <Empty title="Nothing waits for you">
          What a run asks of you appears here by itself. You may leave this page open.
        </Empty>
      )}
      <ul className="inbox" aria-label="Inbox">
        {inPlace(gone, pending).map((item) => (
          <Item key={item.pending.id} item={item} isOpen={isOpen(item)} onToggle={() => toggle(item)} />
        ))}
      </ul>
    </div>
  );
}

/** What is decided by now stays where it was: the newest run comes first. */
function inPlace(gone: readonly PendingItem[], pending: readonly PendingItem[]): PendingItem[] {
  return [...gone, ...pending].sort((a, b) => b.run.created_at - a.run.created_at);
}

function Item({ item, isOpen, onToggle }: { item: PendingItem; isOpen: boolean; onToggle: () => void }) {
  const { run, pending } = item;
  const { nameOf } = useWorkflows();
  const { confirmation_message, user_input_message, output_review_message, error_message } = pending;
  // A halt says its title first, and what it says in full is on its card.
  const message =
    confirmation_message ?? user_input_message?.split("\n\n")[0] ?? output_review_message ?? error_message;
  const Chevron = isOpen ? ChevronDown : ChevronRight;
  return (
    <li className="inbox-item">
      <div className="inbox-line">
        <h2>
          <Button tone="quiet" aria-expanded={isOpen} onPress={onToggle}>
            <Chevron size={16} aria-hidden />
            <span className="inbox-title">
              <strong>{message ?? asksOf(pending.kind)}</strong>
              <span className="hint">
                {asksOf(pending.kind)} · {pending.step_name}
              </span>
            </span>
          </Button>
        </h2>
        <span className="hint inbox-facts">
          <Link href={pathOf({ runId: run.run_id, workflowId: run.workflow_id })} className="link">
            {nameOf(run.workflow_id)}
          </Link>
          <span>from {run.user_id}</span>
          <Ago at={run.updated_at} />
          {pending.timeout_at && <Left at={pending.timeout_at} />}
        </span>
      </div>
      {isOpen && (
        <RunStage runId={run.run_id} workflowId={run.workflow_id}>
          {({ error, view }) =>
            error && view.lastIndex === null ? <RunFault error={error} /> : <OneCard id={pending.id} />
          }
        </RunStage>
      )}
    </li>
  );
}

function OneCard({ id }: { id: string }) {
  const question = useScene().past.questions.get(id);
  return question ? <PauseCard question={question} /> : <Skeleton label="Loading the question" />;
}

function Left({ at }: { at: string }) {
  const left = Date.parse(at) - useNow();
  return left > 0 ? <span>{leftOf(left)} left</span> : null;
}
