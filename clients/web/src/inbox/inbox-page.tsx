/**
 * Everything that waits for whoever is signed in, in all runs, live; each can be decided in its place.
 *
 * Laws:
 * - What was opened stays in its place until it is closed: who decided sees what came of it, while the next one is opened.
 * - What is shown, and how, is in the address; so is one item, in a link to it.
 */

import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { Bell, BellRing, CheckCheck, Command, Keyboard } from "lucide-react";
import { useLocation, useSearch } from "wouter";
import type { PendingItem } from "@interlock/client";
import { useInterlock, usePending } from "@interlock/client/react";
import { askForPalette } from "../palette/asking.ts";
import { useWorkflows } from "../session/workflows.ts";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { useDraft } from "../ui/draft.ts";
import { counted } from "../ui/format.ts";
import { Empty, Notice, Skeleton } from "../ui/notice.tsx";
import { useTitle } from "../ui/title.ts";
import { AskSomebody } from "./ask.tsx";
import { Bulk, type Choosable } from "./bulk.tsx";
import { Filters } from "./filters.tsx";
import { Item } from "./item.tsx";
import {
  addressOf,
  askedBy,
  byUrgency,
  inGroups,
  isAskedFor,
  itemIn,
  itemOf,
  nextAfter,
  takesYesOrNo,
  type Asked,
} from "./items.ts";
import { focusItem, KEYS, useKeys } from "./keys.ts";
import { useTelling } from "./notify.ts";
import { useOlder } from "./older.ts";

const NONE: readonly PendingItem[] = [];
const NO_CHOICE: ReadonlySet<string> = new Set();

/** `#/inbox`, with what is asked for behind a `?`. */
export function InboxPage() {
  useTitle("Inbox");
  const { pending, loading, more, error, decide } = usePending();
  const [chosen, setChosen] = useState(NO_CHOICE);
  const [helps, setHelps] = useState(false);
  useKeys(useCallback(() => setHelps(true), []));
  const { asked, ask } = useAsked();
  const list = useShown(pending, asked);
  const { all, waiting, shown } = list;
  const gone = useLinkedItem(all, loading, list.reveal);
  const over = shown.filter((each) => !waiting.includes(each));
  return (
    <div className="page">
      <Head count={loading ? null : pending.length} more={more} onHelp={() => setHelps(true)} />
      {error && <Notice tone="fault">The inbox can’t be shown: {error.message}</Notice>}
      {gone && <Notice>What the link leads to doesn’t wait for you any more.</Notice>}
      {error === null && all.length === 0 && <Nothing loading={loading} />}
      {all.length > 0 && <Filters asked={asked} items={waiting.map(({ item }) => item)} onAsk={ask} />}
      <Bulk
        chosen={waiting.filter((each) => chosen.has(each.item.interaction_id) && shown.includes(each))}
        decide={decide}
        onDone={(ids) => setChosen(new Set(without(chosen, ids)))}
      />
      {over.length > 0 && (
        <div className="bar centred">
          <span className="hint">{counted(over.length, "item is", "items are")} decided, and still shown here.</span>
          <Button small tone="quiet" onPress={list.putAway}>
            <CheckCheck size={14} aria-hidden /> Put away
          </Button>
        </div>
      )}
      {all.length > 0 && shown.length === 0 && <Empty title="Nothing that waits is like that">Ask for less.</Empty>}
      <Lists list={list} chosen={chosen} onChoose={setChosen} />
      {more && <Older />}
      <Help isOpen={helps} onClose={() => setHelps(false)} />
    </div>
  );
}

/** What the page shows of all that waits, and what is open of it. */
interface Shown {
  /** All that waits, and what is open though it is decided by now. */
  readonly all: readonly Choosable[];
  readonly waiting: readonly Choosable[];
  readonly shown: readonly Choosable[];
  readonly groups: readonly [string, readonly Choosable[]][];
  readonly isOpen: (each: Choosable) => boolean;
  readonly toggle: (each: Choosable) => void;
  /** Opens one, and focuses it. */
  readonly reveal: (each: Choosable) => void;
  /** Goes on with the one after this, which was decided. */
  readonly goOn: (each: Choosable) => void;
  /** Closes all that are decided. */
  readonly putAway: () => void;
}

function useShown(pending: readonly PendingItem[], asked: Asked): Shown {
  const [open, setOpen] = useDraft<readonly PendingItem[]>("inbox/open", NONE);
  const { nameOf } = useWorkflows();
  const focus = useFocusOf();
  const all = useItems(open, pending);
  const waiting = all.filter(({ waits }) => isAmong(waits, pending));
  const isOpen = ({ waits }: Choosable) => isAmong(waits, open);
  const shown = all.filter((each) => isOpen(each) || isAskedFor(each.item, asked, nameOf));
  const byId = new Map(shown.map((each) => [each.item.interaction_id, each]));
  const items = shown.map(({ item }) => item);
  const groups = inGroups(items, asked.group, nameOf).map(([heading, found]): [string, Choosable[]] => [
    heading,
    found.flatMap((item) => byId.get(item.interaction_id) ?? []),
  ]);
  const reveal = (each: Choosable) => {
    if (!isOpen(each)) setOpen([...open, each.waits]);
    focus(each.item.interaction_id);
  };
  return {
    all,
    waiting,
    shown,
    groups,
    isOpen,
    reveal,
    toggle: (each) =>
      setOpen(
        isOpen(each) ? open.filter(({ pending }) => pending.id !== each.waits.pending.id) : [...open, each.waits],
      ),
    goOn: (each) => {
      const order = groups.flatMap(([, found]) => found.map(({ item }) => item.interaction_id));
      const isWaiting = (id: string) => waiting.some(({ item }) => item.interaction_id === id);
      const next = byId.get(nextAfter(each.item.interaction_id, order, isWaiting) ?? "");
      if (next !== undefined) reveal(next);
    },
    putAway: () => setOpen(open.filter((each) => isAmong(each, pending))),
  };
}

interface ListsProps {
  list: Shown;
  chosen: ReadonlySet<string>;
  onChoose: (chosen: ReadonlySet<string>) => void;
}

/** The items, under their headings. */
function Lists({ list, chosen, onChoose }: ListsProps) {
  return list.groups.map(([heading, items]) => (
    <section key={heading} className="stack">
      {heading !== "" && <h2>{heading}</h2>}
      <ul className="inbox" aria-label={heading === "" ? "Inbox" : heading}>
        {items.map((each) => {
          const id = each.item.interaction_id;
          return (
            <Item
              key={id}
              choosable={each}
              isOpen={list.isOpen(each)}
              waits={list.waiting.includes(each)}
              isChosen={chosen.has(id)}
              canChoose={takesYesOrNo(each.item) && list.waiting.includes(each)}
              onToggle={() => list.toggle(each)}
              onChoose={(is) => onChoose(new Set(is ? [...chosen, id] : without(chosen, [id])))}
              onDecided={() => list.goOn(each)}
            />
          );
        })}
      </ul>
    </section>
  ));
}

function isAmong(item: PendingItem, pending: readonly PendingItem[]): boolean {
  return pending.some((each) => each.pending.id === item.pending.id);
}

function Head({ count, more, onHelp }: { count: number | null; more: boolean; onHelp: () => void }) {
  return (
    <header className="page-head">
      <h1>Inbox</h1>
      {count !== null && (
        <span className="hint">
          {counted(count, "thing waits", "things wait")} for you
          {more && ", in the newest runs"}
        </span>
      )}
      <span className="spacer" />
      <AskSomebody />
      <TellMe />
      <Button small tone="quiet" onPress={askForPalette}>
        <Command size={14} aria-hidden /> Find
      </Button>
      <span className="for-keys">
        <Button small tone="quiet" onPress={onHelp}>
          <Keyboard size={14} aria-hidden /> Keys
        </Button>
      </span>
    </header>
  );
}

/** Tells of what comes while the page is out of sight, where that can be and the person wants it. */
function TellMe() {
  const { telling, turnOn, turnOff } = useTelling();
  if (telling === "impossible" || telling === "denied") return null;
  const isOn = telling === "on";
  const Sign = isOn ? BellRing : Bell;
  return (
    <Button small tone="quiet" onPress={() => (isOn ? turnOff() : void turnOn())}>
      <Sign size={14} aria-hidden /> {isOn ? "Stop notifying" : "Notify me"}
    </Button>
  );
}

/** What waits in older runs, when it is asked for. */
function Older() {
  const { bring, isBusy, fault } = useOlder();
  return (
    <div className="stack">
      {fault && <Notice tone="fault">{fault}</Notice>}
      <div className="actions">
        <Button isPending={isBusy} onPress={() => void bring()}>
          Show what waits in older runs
        </Button>
      </div>
    </div>
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

/** Opens the item that the address names, once it is here. Returns whether it doesn't wait any more. */
function useLinkedItem(all: readonly Choosable[], loading: boolean, reveal: (each: Choosable) => void): boolean {
  const search = useSearch();
  const [, navigate] = useLocation();
  const named = itemIn(search);
  const found = all.find(({ item }) => item.interaction_id === named);
  const act = useRef(reveal);
  useEffect(() => {
    act.current = reveal;
  });
  useEffect(() => {
    if (found === undefined) return;
    act.current(found);
    const rest = addressOf(askedBy(search));
    navigate(rest === "" ? "/inbox" : `/inbox?${rest}`, { replace: true });
  }, [found, search, navigate]);
  return named !== null && !loading && found === undefined;
}

/** Focuses an item, as soon as it is drawn. */
function useFocusOf(): (id: string) => void {
  const wanted = useRef<string | null>(null);
  useLayoutEffect(() => {
    if (wanted.current !== null && focusItem(wanted.current)) wanted.current = null;
  });
  return useCallback((id) => {
    if (!focusItem(id)) wanted.current = id;
  }, []);
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
