/**
 * Shows a widget, and takes what a person does in it to where it counts.
 *
 * Laws:
 * - It runs in a sandboxed frame, unless the page's own code gives its `module`.
 * - One accepted event is all that it ever gives; a refused one may be followed by another.
 */

import { httpUrl } from "../address.js";
import { InterlockError } from "../errors.js";
import type { JsonValue } from "../protocol.js";
import type { AskedWidget, StageListener, WidgetModule, WidgetTheme } from "./bundle.js";
import { asked } from "./confirming.js";
import { framed } from "./frame.js";
import { Gate, jsonOf, MOST_DRAFT_BYTES, type Sending } from "./gate.js";
import { inPage } from "./inPage.js";
import { Latest } from "./rate.js";

const DRAFT_EVERY_MS = 100;
const MOST_HEIGHT = 2000;

/** What `renderWidget` takes. */
export interface WidgetOptions {
  /** As the requirement has it. */
  widget: AskedWidget;
  /** The server that has the bundle, such as `client.url`; by default the page's own. */
  server?: string | undefined;
  /** Takes an event, such as by `run.decide(…)`. While its promise is open no other is let through; if it rejects, it was refused. */
  onInteraction: Sending;
  /** Takes what is half done, at most a few times a second. */
  onDraft?: ((data: JsonValue) => void) | undefined;
  /** What `onDraft` was given before. */
  draft?: JsonValue | undefined;
  /** What went wrong in it: `widget_failed`, or `widget_stopped` where it has ended for that. */
  onError?: ((error: InterlockError) => void) | undefined;
  onMounted?: (() => void) | undefined;
  /** By default that of the page: its `color-scheme`, and what the browser's user prefers. */
  theme?: WidgetTheme | undefined;
  /** Names the frame for screen readers. */
  title?: string | undefined;
  /** The most that it may be high, in pixels; 2000 by default. */
  maxHeight?: number | undefined;
  /** The bundle itself, to run it in this page and not in a frame: for code that may do all that the page may. */
  module?: WidgetModule | undefined;
}

/** A widget that is shown. */
export interface RenderedWidget {
  /** Gives it other props. */
  update(props: JsonValue): void;
  setTheme(theme: WidgetTheme): void;
  /** Takes it off the page. */
  unmount(): void;
}

/** Shows a widget inside of `element`. */
export function renderWidget(element: Element, options: WidgetOptions): RenderedWidget {
  const { widget, module, draft, onDraft, onError, onMounted } = options;
  const { theme, release } = themeOf(element, options.theme, (next) => stage.setTheme(next));
  const over = new AbortController();
  const confirm = (event: string, data: Record<string, JsonValue>) => asked(element, event, data, over.signal);
  const gate = new Gate(widget, options.onInteraction, confirm);
  const drafts = new Latest<JsonValue>(DRAFT_EVERY_MS, (data) => onDraft?.(data));
  const listener: StageListener = {
    interacted: async (event, data) => {
      const answer = await gate.let(event, data);
      if (answer.accepted) drafts.drop();
      return answer;
    },
    drafted: (data) => {
      const plain = jsonOf(data, MOST_DRAFT_BYTES);
      if (plain !== undefined && gate.phase !== "done") drafts.give(plain);
    },
    mounted: () => onMounted?.(),
    faulty: (message) => onError?.(new InterlockError("widget_failed", message)),
    stopped: (message) => {
      over.abort();
      stoppedIn(element);
      onError?.(new InterlockError("widget_stopped", message));
    },
  };
  const begun = { props: widget.props ?? {}, draft, theme };
  const title = options.title ?? `Widget ${widget.bundle}`;
  const stage = module
    ? inPage(element, { ...begun, module }, listener)
    : framed(
        element,
        { ...begun, title, address: addressOf(options), mostHeight: options.maxHeight ?? MOST_HEIGHT },
        listener,
      );
  return {
    update: (props) => stage.update(props),
    setTheme: (next) => stage.setTheme(next),
    unmount: () => {
      release();
      over.abort();
      drafts.flush();
      drafts.drop();
      stage.end();
      element.querySelector(":scope > .interlock-widget-stopped")?.remove();
    },
  };
}

function addressOf({ widget, server = "/" }: WidgetOptions): string {
  const name = [widget.bundle, widget.version].map(encodeURIComponent).join("/");
  return `${httpUrl(server)}/widgets/${name}/frame`;
}

function stoppedIn(element: Element): void {
  const text = "This part of the page was stopped, because it did what it may not, or failed.";
  const note = element.ownerDocument.createElement("p");
  element.append(Object.assign(note, { className: "interlock-widget-stopped", textContent: text }));
  note.setAttribute("role", "alert");
}

/** The theme, and what ends to follow that of the page. */
function themeOf(element: Element, given: WidgetTheme | undefined, changed: (theme: WidgetTheme) => void) {
  if (given) return { theme: given, release: () => undefined };
  const dark = (globalThis as { matchMedia?: Window["matchMedia"] }).matchMedia?.(DARK);
  const read = (): WidgetTheme => schemeOf(element) ?? (dark?.matches ? "dark" : "light");
  let theme = read();
  const look = () => {
    const next = read();
    if (next === theme) return;
    theme = next;
    changed(next);
  };
  const watch = new MutationObserver(look);
  watch.observe(element.ownerDocument.documentElement, { attributes: true });
  dark?.addEventListener("change", look);
  const release = () => {
    watch.disconnect();
    dark?.removeEventListener("change", look);
  };
  return { theme, release };
}

const DARK = "(prefers-color-scheme: dark)";

/** The one color scheme that the page has there, if it has one and not both. */
function schemeOf(element: Element): WidgetTheme | null {
  const schemes = (getComputedStyle(element).colorScheme as string | undefined)?.split(" ") ?? [];
  const [isLight, isDark] = [schemes.includes("light"), schemes.includes("dark")];
  return isLight === isDark ? null : isDark ? "dark" : "light";
}
