/**
 * Everything that waits for whoever is signed in, in all runs, live; each can be decided in its place.
 *
 * Laws:
 * - What was opened stays in its place until it is closed: who decided sees what came of it.
 * - What is shown, and how, is in the address.
 */

import { useCallback, useMemo, useState } from "react";
import { ChevronDown, ChevronRight } from "lucide-react";
import { Link, useLocation, useSearch } from "wouter";
import type { PendingItem } from "@interlock/client";
import { useInterlock, usePending } from "@interlock/client/react";
import { PauseCard } from "../pauses/card.tsx";
import { useScene } from "../pauses/run-context.ts";
import { RunStage } from "../pauses/stage.tsx";
import { asksOf } from "../pauses/words.ts";
import { RunFault } from "../run/fault.tsx";
import { pathOf } from "../run/paths.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useDraft } from "../ui/draft.ts";
import { Checkbox } from "../ui/fields.tsx";
import { counted, leftOf } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { Ago, useNow } from "../ui/time.tsx";
import { useTitle } from "../ui/title.ts";
import { Bulk, type Choosable } from "./bulk.tsx";
import { Filters } from "./filters.tsx";
import { addressOf, askedBy, byUrgency, inGroups, isAskedFor, itemOf, takesYesOrNo, type Asked } from "./items.ts";
import { KEYS, useKeys } from "./keys.ts";

const NONE: readonly PendingItem[] = [];
const NO_CHOICE: ReadonlySet<string> = new Set();

/** `#/inbox`, with what is asked for behind a `?`. */
export function InboxPage() {
  useTitle("Inbox");
  const { pending, loading, more, error, decide } = usePending();
  const [open, setOpen] = useDraft<readonly PendingItem[]>("inbox/open", NONE);
  const [chosen, setChosen] = useState(NO_CHOICE);
  const [helps, setHelps] = useState(false);
  useKeys(useCallback(() => setHelps(true), []));
  const { asked, ask } = useAsked();
  const { nameOf } = useWorkflows();
  const all = useItems(open, pending);
  const waiting = all.filter(({ waits }) => pending.some((each) => each.pending.id === waits.pending.id));
  const isOpen = ({ waits }: Choosable) => open.some((each) => each.pending.id === waits.pending.id);
  const shown = all.filter((each) => isOpen(each) || isAskedFor(each.item, asked, nameOf));
  const byId = new Map(shown.map((each) => [each.item.interaction_id, each]));
  const toggle = (each: Choosable) =>
    setOpen(isOpen(each) ? open.filter(({ pending }) => pending.id !== each.waits.pending.id) : [...open, each.waits]);
  const choose = (id: string, is: boolean) => setChosen(new Set(is ? [...chosen, id] : without(chosen, [id])));
  const groups = inGroups(
    shown.map(({ item }) => item),
    asked.group,
    nameOf,
  );
  return (
    <div className="page">
      <Head count={loading ? null : pending.length} more={more} onHelp={() => setHelps(true)} />
      {error && <Notice tone="fault">The inbox can’t be shown: {error.message}</Notice>}
      {error === null && all.length === 0 && <Nothing loading={loading} />}
      {all.length > 0 && <Filters asked={asked} items={waiting.map(({ item }) => item)} onAsk={ask} />}
      <Bulk
        chosen={waiting.filter(({ item }) => chosen.has(item.interaction_id) && byId.has(item.interaction_id))}
        decide={decide}
        onDone={(ids) => setChosen(new Set(without(chosen, ids)))}
      />
      {all.length > 0 && shown.length === 0 && <Empty title="Nothing that waits is like that">Ask for less.</Empty>}
      {groups.map(([heading, items]) => (
        <section key={heading} className="stack">
          {heading !== "" && <h2>{heading}</h2>}
          <ul className="inbox" aria-label={heading === "" ? "Inbox" : heading}>
            {items.flatMap(({ interaction_id: id }) => {
              const each = byId.get(id);
              if (each === undefined) return [];
              return (
                <Item
                  key={id}
                  choosable={each}
                  isOpen={isOpen(each)}
                  isChosen={chosen.has(id)}
                  canChoose={takesYesOrNo(each.item) && waiting.includes(each)}
                  onToggle={() => toggle(each)}
                  onChoose={(is) => choose(id, is)}
                />
              );
            })}
          </ul>
        </section>
      ))}
      <Help isOpen={helps} onClose={() => setHelps(false)} />
    </div>
  );
}

function Head({ count, more, onHelp }: { count: number | null; more: boolean; onHelp: () => void }) {
  return (
    <header className="page-head">
      <h1>Inbox</h1>
      {count !== null && (
        <span className="hint">
          {counted(count, "thing waits", "things wait")} for you
          {more && ", in the newest runs; load the page again for older ones"}
        </span>
      )}
      <span className="spacer" />
      <Button small tone="quiet" onPress={onHelp}>
        Keys
      </Button>
    </header>
  );
}

function Nothing({ loading }: { loading: boolean }) {
  if (loading) return <Skeleton label="Loading the inbox" lines={5} />;
  return (
    <Empty title="Nothing waits for you">
      What a run asks of you appears here by itself. You may leave this page open.
    </Empty>
  );
}

function without(ids: ReadonlySet<string>, gone: readonly string[]): string[] {
  return [...ids].filter((each) => !gone.includes(each));
}

/** What the address asks for, and the way to ask for something else. */
function useAsked() {
  const asked = askedBy(useSearch());
  const [, navigate] = useLocation();
  const ask = (next: Asked) => {
    const search = addressOf(next);
    navigate(search === "" ? "/inbox" : `/inbox?${search}`, { replace: true });
  };
  return { asked, ask };
}

/** All that waits, and what is open though it is decided by now. */
function useItems(open: readonly PendingItem[], pending: readonly PendingItem[]): readonly Choosable[] {
  const { userId, groups } = useInterlock().connection;
  return useMemo(() => {
    const waits = new Map([...open, ...pending].map((each) => [each.pending.id, each]));
    return [...waits.values()]
      .map((each) => ({ item: itemOf(each, { userId, groups }), waits: each }))
      .sort((a, b) => byUrgency(a.item, b.item));
  }, [open, pending, userId, groups]);
}

function Help({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  return (
    <Dialog title="Keys of the inbox" isOpen={isOpen} onClose={onClose}>
      <dl className="facts args">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <div className="actions">
        <Button onPress={onClose}>Close</Button>
      </div>
    </Dialog>
  );
}

interface ItemProps {
  choosable: Choosable;
  isOpen: boolean;
  isChosen: boolean;
  canChoose: boolean;
  onToggle: () => void;
  onChoose: (is: boolean) => void;
}

function Item({ choosable, isOpen, isChosen, canChoose, onToggle, onChoose }: ItemProps) {
  const { item, waits } = choosable;
  const Chevron = isOpen ? ChevronDown : ChevronRight;
  return (
    <li className="inbox-item">
      <div className="inbox-line">
        {canChoose && (
          <Checkbox isSelected={isChosen} onChange={onChoose}>
            <span className="unseen">Select {item.message}</span>
          </Checkbox>
        )}
        <h2>
          <Button tone="quiet" aria-expanded={isOpen} onPress={onToggle}>
            <Chevron size={16} aria-hidden />
            <span className="inbox-title">
              <strong>{item.message}</strong>
              <span className="hint">
                {asksOf(item.kind)} · {item.step_name}
              </span>
            </span>
          </Button>
        </h2>
        <Facts {...choosable} />
      </div>
      {isOpen && (
        <RunStage runId={item.run_id} workflowId={item.workflow_id}>
          {({ error, view }) =>
            error && view.lastIndex === null ? <RunFault error={error} /> : <OneCard id={waits.pending.id} />
          }
        </RunStage>
      )}
    </li>
  );
}

function Facts({ item, waits: { run } }: Choosable) {
  const { nameOf } = useWorkflows();
  return (
    <span className="hint inbox-facts">
      <Link href={pathOf({ runId: run.run_id, workflowId: run.workflow_id })} className="link">
        {nameOf(run.workflow_id)}
      </Link>
      <span>from {run.user_id}</span>
      <Ago at={run.updated_at} />
      {item.timeout_at !== null && <Left at={item.timeout_at} />}
    </span>
  );
}

function OneCard({ id }: { id: string }) {
  const question = useScene().past.questions.get(id);
  return question ? <PauseCard question={question} /> : <Skeleton label="Loading the question" />;
}

function Left({ at }: { at: number }) {
  const left = at - useNow();
  return left > 0 ? <span>{leftOf(left)} left</span> : null;
}
