/**
 * The address of a page: a path and what is asked for there, both behind the `#`, so that no server sees them.
 *
 * Laws:
 * - A page is found by the path alone: what is asked for there can change without another page coming.
 * - What is asked for has a `=` and no bare `/`: a question mark in a name that is a part of the path stays there.
 */

import { useSyncExternalStore } from "react";

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

const ASKING = /^(.*?)\?([^/]*=[^/]*)$/s;

/** The path and what is asked for in what follows the `#`. */
export function partsOf(hash: string): { path: string; search: string } {
  const whole = hash.replace(/^#?\/?/, "");
  const [, path = whole, search = ""] = ASKING.exec(whole) ?? [];
  return { path: `/${path}`, search };
}

const pathNow = () => partsOf(location.hash).path;
const searchNow = () => partsOf(location.hash).search;

/** Goes to an address; with `replace`, Back doesn't come to the one before. */
export function navigate(to: string, { state = null, replace = false }: { state?: unknown; replace?: boolean } = {}) {
  const oldURL = location.href;
  const url = new URL(oldURL);
  url.hash = to;
  history[replace ? "replaceState" : "pushState"](state, "", url.href);
  dispatchEvent(new HashChangeEvent("hashchange", { oldURL, newURL: url.href }));
}

/** The path, and the way to another: what a `Router` takes as its hook. */
export function useAddress(): [string, typeof navigate] {
  return [useSyncExternalStore(subscribe, pathNow), navigate];
}

useAddress.hrefs = (href: string) => `#${href}`;

/** What is asked for at the path: what a `Router` takes as its search hook. */
export function useAskedFor(): string {
  return useSyncExternalStore(subscribe, searchNow);
}
