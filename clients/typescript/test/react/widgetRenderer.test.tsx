// @vitest-environment jsdom
/** `<WidgetRenderer>`: what is a new widget, and what changes the one there is. */

import { cleanup, render } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import type { WidgetModule } from "../../src/index.js";
import { WidgetRenderer, type WidgetRendererProps } from "../../src/react/index.js";

afterEach(cleanup);

it("updates the widget there is for other props, another theme or function, and makes another for another version", async () => {
  const [update, theme, unmount] = [vi.fn(), vi.fn(), vi.fn()];
  const mount = vi.fn<WidgetModule["mount"]>(() => ({ update, theme, unmount }));
  const page = (version: string, n: number, more: Partial<WidgetRendererProps> = {}) => {
    const widget = { bundle: "b", version, props: { n } };
    return <WidgetRenderer widget={widget} module={{ mount }} theme="light" onInteraction={vi.fn()} {...more} />;
  };
  const { rerender } = render(page("1", 1));
  await vi.waitFor(() => expect(mount).toHaveBeenCalledTimes(1));
  rerender(page("1", 1));
  rerender(page("1", 2, { theme: "dark" }));
  expect(update.mock.calls).toEqual([[{ n: 2 }]]);
  expect(theme).toHaveBeenLastCalledWith("dark");
  expect(unmount).not.toHaveBeenCalled();
  const newest = vi.fn();
  rerender(page("1", 2, { onInteraction: newest }));
  await mount.mock.calls[0]?.[2].onInteraction("approve", { n: 2 });
  expect(newest).toHaveBeenCalledWith("approve", { n: 2 });
  rerender(page("2", 2));
  expect(unmount).toHaveBeenCalledTimes(1);
  await vi.waitFor(() => expect(mount).toHaveBeenCalledTimes(2));
});
