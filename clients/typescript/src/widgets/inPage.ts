/** A widget in the page itself: code that the page's own author trusts as much as the page's. */

import type { JsonValue } from "../protocol.js";
import type { MountedWidget, Stage, StageListener, WidgetCallbacks, WidgetModule, WidgetTheme } from "./bundle.js";

/** What it begins with. */
export interface InPageOptions {
  module: WidgetModule;
  props: JsonValue;
  draft: JsonValue | undefined;
  theme: WidgetTheme;
}

/** Mounts a module inside of `parent`. */
export function inPage(parent: Element, options: InPageOptions, listener: StageListener): Stage {
  const container = parent.ownerDocument.createElement("div");
  container.dataset["theme"] = options.theme;
  parent.append(container);
  const callbacks: WidgetCallbacks = {
    onInteraction: (event, data = {}) => listener.interacted(event, data),
    onDraft: (data) => listener.drafted(data),
    resize: (height) => (container.style.height = `${height}px`),
    draft: options.draft,
    theme: options.theme,
  };
  let mounted: MountedWidget = {};
  let isEnded = false;
  const mount = async (props: JsonValue) => {
    try {
      const found = (await options.module.mount(container, props, callbacks)) ?? {};
      if (isEnded) return found.unmount?.();
      mounted = found;
      listener.mounted();
    } catch (error) {
      listener.stopped(String(error instanceof Error ? error.message : error));
    }
  };
  void mount(options.props);
  return {
    update: (props) => {
      if (mounted.update) return mounted.update(props);
      mounted.unmount?.();
      container.replaceChildren();
      void mount(props);
    },
    setTheme: (theme) => {
      container.dataset["theme"] = callbacks.theme = theme;
      mounted.theme?.(theme);
    },
    end: () => {
      isEnded = true;
      mounted.unmount?.();
      container.remove();
    },
  };
}
