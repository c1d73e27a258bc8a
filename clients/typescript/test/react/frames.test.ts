// @vitest-environment jsdom
/** When a store is told of. */

import { expect, it, onTestFinished, vi } from "vitest";
import { Listeners } from "../../src/listeners.js";
import { framed } from "../../src/react/frames.js";

it("a frame that never comes, because the page was hidden meanwhile, holds nothing up", () => {
  vi.useFakeTimers();
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const frames = vi.spyOn(globalThis, "requestAnimationFrame").mockReturnValue(1);
  onTestFinished(() => frames.mockRestore());
  const changes = new Listeners();
  let value = 0;
  const store = framed({ read: () => value, subscribe: (listener) => changes.add(listener) });
  const seen: number[] = [];
  const end = store.subscribe(() => seen.push(store.read()));
  for (value = 1; value < 3; value++) {
    changes.tell();
    vi.runOnlyPendingTimers();
  }
  expect(seen).toEqual([1, 2]);
  changes.tell();
  end();
  expect(vi.getTimerCount()).toBe(0);
});
