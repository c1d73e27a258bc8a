/**
 * A store that is told of at most once in a frame of the screen.
 *
 * Laws:
 * - Between two frames it shows the same: what a page draws in one go is of one moment.
 * - While the page is hidden no frames come, also not one that was asked for before; it is told a few times a second then.
 */

/** What `useSyncExternalStore` takes. */
export interface Store<T> {
  subscribe: (listener: () => void) => () => void;
  read: () => T;
}

/** How long a frame is waited for. */
const HIDDEN_MS = 250;

/** `source`, told of once in a frame. */
export function framed<T>(source: Store<T>): Store<T> {
  const listeners = new Set<() => void>();
  let shown = source.read();
  let cancel: (() => void) | null = null;
  let end: (() => void) | null = null;

  const show = () => {
    cancel = null;
    const now = source.read();
    if (Object.is(now, shown)) return;
    shown = now;
    for (const listener of listeners) listener();
  };

  return {
    read: () => shown,
    subscribe(listener) {
      listeners.add(listener);
      end ??= source.subscribe(() => (cancel ??= nextFrame(show)));
      shown = source.read();
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        end?.();
        cancel?.();
        end = cancel = null;
      };
    },
  };
}

/** Calls in the next frame, or in a while if there is none. Returns what keeps it from that. */
function nextFrame(then: () => void): () => void {
  const isDrawn = typeof requestAnimationFrame !== "undefined";
  const frame = isDrawn ? requestAnimationFrame(shown) : 0;
  const timer = setTimeout(shown, HIDDEN_MS);
  function shown(): void {
    cancel();
    then();
  }
  function cancel(): void {
    clearTimeout(timer);
    if (isDrawn) cancelAnimationFrame(frame);
  }
  return cancel;
}
