/**
 * The keys of the inbox: j and k go on and back, a and r press the buttons of the item, ? tells them.
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

function press(key: string): boolean {
  const items = [...document.querySelectorAll<HTMLElement>(".inbox-item")];
  const place = items.findIndex((each) => each.contains(document.activeElement));
  if (key === "j" || key === "k") {
    const next = items[moved(place, key === "j" ? 1 : -1, items.length)];
    next?.querySelector<HTMLElement>(".inbox-line h2 button")?.focus();
    return next !== undefined;
  }
  const item = items[place];
  if (item === undefined || (key !== "a" && key !== "r")) return false;
  const toggle = item.querySelector<HTMLElement>(".inbox-line h2 button");
  if (toggle?.getAttribute("aria-expanded") !== "true") toggle?.click();
  else item.querySelector<HTMLElement>(`[data-act=${key === "a" ? "approve" : "reject"}]`)?.click();
  return true;
}
