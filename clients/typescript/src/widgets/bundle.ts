/**
 * What a widget's bundle is, and what a page tells it and hears of it.
 *
 * Source: `docs/widgets.md`.
 */

import type { JsonValue } from "../protocol.js";

export type WidgetTheme = "light" | "dark";

/** What became of an event; `code` and `message` say why it was refused. */
export type WidgetAnswer = { accepted: true } | { accepted: false; code: string; message: string };

/** What a bundle calls. */
export interface WidgetCallbacks {
  /** A person did something that answers the question, such as pressing "Approve". It never rejects. */
  onInteraction(event: string, data?: JsonValue): Promise<WidgetAnswer>;
  /** What is half done, to be kept: the next `mount` gets it as `draft`. */
  onDraft(data: JsonValue): void;
  /** The height that it wants, in pixels; without it, its frame is as high as what is in it. */
  resize(height: number): void;
  /** What `onDraft` was told before. */
  draft?: JsonValue | undefined;
  theme: WidgetTheme;
}

/** What `mount` may return. */
export interface MountedWidget {
  /** Takes other props; without it, it is mounted anew. */
  update?(props: JsonValue): void;
  theme?(theme: WidgetTheme): void;
  unmount?(): void;
}

/** A bundle: `export function mount(container, props, callbacks)`. */
export interface WidgetModule {
  mount: (
    container: HTMLElement,
    props: JsonValue,
    callbacks: WidgetCallbacks,
    // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what a function without a result returns
  ) => MountedWidget | void | Promise<MountedWidget | void>;
}

/** What a requirement says of its widget. */
export interface AskedWidget {
  /** The bundle's name, and its version: a hash of its text. */
  bundle: string;
  version: string;
  props?: JsonValue | undefined;
  /** The events that are taken; without it, all. */
  events?: readonly string[] | null | undefined;
  /** What people have to confirm on a button of the page: every event, or these. */
  confirm?: boolean | readonly string[] | null | undefined;
}

/** Where a widget is shown: in a frame, or in the page itself. */
export interface Stage {
  update(props: JsonValue): void;
  setTheme(theme: WidgetTheme): void;
  /** Ends it, and leaves nothing behind. */
  end(): void;
}

/** What a stage tells. */
export interface StageListener {
  /** An event; resolves to what became of it. */
  interacted(event: unknown, data: unknown): Promise<WidgetAnswer>;
  drafted(data: unknown): void;
  mounted(): void;
  /** Something went wrong in the bundle, which may go on nevertheless. */
  faulty(message: string): void;
  /** The stage has ended it. */
  stopped(message: string): void;
}
