/**
 * The address of a page: a path and what is asked for there, both behind the `#`, so that no server sees them.
 *
 * Laws:
 * - A page is found by the path alone: what is asked for there can change without another page coming.
 */

import { useSyncExternalStore } from "react";

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

function part(place: 0 | 1): string {
  const [path = "", search = ""] = location.hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  return place === 0 ? `/${path}` : search;
}

const pathNow = () => part(0);
const searchNow = () => part(1);

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
