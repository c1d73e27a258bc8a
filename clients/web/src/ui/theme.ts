/** Light or dark: as the system says, unless the person says otherwise. */

import { useSyncExternalStore } from "react";

/** What can be chosen. */
export type Theme = "system" | "light" | "dark";

const KEY = "interlock.theme";

function kept(): Theme {
  const found = localStorage.getItem(KEY);
  return found === "light" || found === "dark" ? found : "system";
}

/** Shows the page as it was chosen before; called before anything is drawn. */
export function applyTheme(theme: Theme = kept()): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

const listeners = new Set<() => void>();

/** The choice, and what changes it, wherever it is shown. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  return [useSyncExternalStore(subscribe, kept), choose];
}

function choose(next: Theme): void {
  if (next === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  applyTheme(next);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
