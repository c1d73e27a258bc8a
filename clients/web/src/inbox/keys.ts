/**
 * The keys of the inbox: j and k go on and back, others press the buttons of the item, ? tells them.
 *
 * Laws:
 * - A key decides nothing that isn't open: on a closed item, a and r open it.
 * - Whoever writes in a field, or answers a dialog, writes letters.
 */

import { useEffect } from "react";
import { moved } from "./items.ts";

/** What each key does. */
export const KEYS: readonly [string, string][] = [
  ["j", "the next item"],
  ["k", "the item before"],
  ["Enter", "open or close it"],
  ["a", "open it; once it is open, confirm or approve"],
  ["r", "open it; once it is open, begin to reject"],
  ["c", "say that you are on it; u releases it"],
  ["h", "hand it over"],
  ["x", "select it, to decide several at once"],
  ["/", "search"],
  ["Ctrl K or ⌘ K", "find a page, a workflow, a view, or anything that waits"],
  ["?", "show these keys"],
];

/** Listens for them while the inbox is shown. */
export function useKeys(onHelp: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (isWriting(event.target)) return;
      if (event.key === "?") onHelp();
      else if (!press(event.key)) return;
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [onHelp]);
}

function isWriting(target: EventTarget | null): boolean {
  return (
    document.querySelector("[role=dialog]") !== null ||
    (target instanceof Element && target.closest("input, textarea, select, [contenteditable], [role=listbox]") !== null)
  );
}

/** What is pressed on an open item, by its key. */
const ACTS: Readonly<Record<string, string>> = {
  a: "approve",
  r: "reject",
  c: "claim",
  u: "release",
  h: "delegate",
};

/** Focuses the item with this id, and brings it into sight. Returns whether there is one. */
export function focusItem(id: string): boolean {
  const item = document.querySelector<HTMLElement>(`[data-item="${CSS.escape(id)}"]`);
  item?.querySelector<HTMLElement>(TOGGLE)?.focus();
  item?.scrollIntoView({ block: "nearest" });
  return item !== null;
}

const TOGGLE = ".inbox-line h2 button";

function press(key: string): boolean {
  if (key === "/") {
    const field = document.querySelector<HTMLElement>(".inbox-filters input");
    field?.focus();
    return field !== null;
  }
  const items = [...document.querySelectorAll<HTMLElement>(".inbox-item")];
  const place = items.findIndex((each) => each.contains(document.activeElement));
  if (key === "j" || key === "k") {
    const next = items[moved(place, key === "j" ? 1 : -1, items.length)];
    next?.querySelector<HTMLElement>(TOGGLE)?.focus();
    return next !== undefined;
  }
  const item = items[place];
  if (item === undefined) return false;
  if (key === "x") {
    const box = item.querySelector<HTMLElement>(".inbox-check input");
    box?.click();
    return box !== null;
  }
  const act = ACTS[key];
  if (act === undefined) return false;
  const toggle = item.querySelector<HTMLElement>(TOGGLE);
  if (toggle?.getAttribute("aria-expanded") !== "true") toggle?.click();
  else item.querySelector<HTMLElement>(`[data-act=${act}]`)?.click();
  return true;
}
