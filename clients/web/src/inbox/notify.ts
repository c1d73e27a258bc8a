/**
 * What comes in while the page is out of sight is told by the device, for who wants that.
 *
 * Laws:
 * - Only a button asks for the permission. Nothing makes a sound, and nothing is decided there: it opens the card.
 * - What waited before isn't told, and nothing twice.
 */

import { useEffect, useRef, useSyncExternalStore } from "react";
import { navigate } from "../ui/address.ts";
import { addressOfItem, type InboxItem } from "./items.ts";

/** Whether the device tells: it can't, it was never asked, the person said no, or it is on or off. */
export type Telling = "impossible" | "unasked" | "denied" | "on" | "off";

const KEY = "interlock.notify";
const listeners = new Set<() => void>();

function now(): Telling {
  if (!("Notification" in globalThis)) return "impossible";
  if (Notification.permission === "denied") return "denied";
  if (Notification.permission !== "granted") return "unasked";
  return localStorage.getItem(KEY) === "on" ? "on" : "off";
}

/** How it stands, and what turns it on (asking, where nobody was asked) and off. */
export function useTelling(): { telling: Telling; turnOn: () => Promise<void>; turnOff: () => void } {
  return { telling: useSyncExternalStore(subscribe, now), turnOn, turnOff };
}

async function turnOn(): Promise<void> {
  if (Notification.permission === "default") await Notification.requestPermission();
  localStorage.setItem(KEY, "on");
  tell();
}

function turnOff(): void {
  localStorage.removeItem(KEY);
  tell();
}

/** Tells of each item that came while the page is out of sight; `items` is null until they are known. */
export function useNotifications(items: readonly InboxItem[] | null, nameOf: (workflowId: string) => string): void {
  const known = useRef<ReadonlySet<string> | null>(null);
  useEffect(() => {
    if (items === null) return;
    const before = known.current;
    known.current = new Set([...(before ?? []), ...items.map((each) => each.interaction_id)]);
    if (before === null || now() !== "on" || document.hasFocus()) return;
    for (const item of items) if (!before.has(item.interaction_id)) show(item, nameOf(item.workflow_id));
  }, [items, nameOf]);
}

function show(item: InboxItem, workflow: string): void {
  try {
    const body = item.subject === "" ? workflow : `${workflow}: ${item.subject}`;
    const shown = new Notification(item.message, { body, tag: item.interaction_id, silent: true });
    shown.onclick = () => {
      focus();
      navigate(addressOfItem(item.interaction_id));
      shown.close();
    };
  } catch {
    // Some browsers only let service workers tell.
  }
}

function tell(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
