/**
 * What the client needs to know of where it runs: a page comes back to life, and goes away.
 *
 * Laws:
 * - Where there is no page, nothing is ever told.
 */

/** What tells of the page and the network. */
export interface Surroundings {
  /** Calls when the network is back or the page is visible again. Returns what ends that. */
  onReturn(told: () => void): () => void;
  /** Calls when the page may be about to go. Returns what ends that. */
  onLeave(told: () => void): () => void;
}

/** The page that this runs in, if it does. */
export const page: Surroundings = {
  onReturn(told) {
    const shown = () => {
      if (globalThis.document.visibilityState === "visible") told();
    };
    return both(listen("window", "online", told), listen("document", "visibilitychange", shown));
  },
  onLeave(told) {
    const hidden = () => {
      if (globalThis.document.visibilityState === "hidden") told();
    };
    return both(listen("window", "pagehide", told), listen("document", "visibilitychange", hidden));
  },
};

function listen(target: "window" | "document", name: string, told: () => void): () => void {
  const found = (globalThis as Partial<Record<typeof target, EventTarget>>)[target];
  found?.addEventListener(name, told);
  return () => found?.removeEventListener(name, told);
}

function both(first: () => void, second: () => void): () => void {
  return () => {
    first();
    second();
  };
}
