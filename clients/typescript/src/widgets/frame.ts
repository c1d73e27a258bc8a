/**
 * A widget in a frame of its own, which can do nothing but talk to this page, and say little there.
 *
 * Laws:
 * - The frame has no origin, no network and no token. It is told its props, its draft and the theme.
 * - One port is handed over, to the page that was loaded first; its bundle runs after that. When the frame loads anything
 *   a second time, it is ended: nothing of it is shown or heard any more.
 * - Messages are JSON-RPC 2.0. What isn't one is passed over; a frame that says too much is ended. Heights are bounded, and
 *   applied one in a frame of the screen; drafts go on a few times a second.
 */

import type { JsonValue } from "../protocol.js";
import type { Stage, StageListener, WidgetAnswer, WidgetTheme } from "./bundle.js";
import { Rate } from "./rate.js";

const VERSION = 1;
const LOADING_MS = 20_000;
const PARTING_MS = 200;
const BURST = 400;
const PER_SECOND = 100;
const LEAST_HEIGHT = 40;

/** What a frame begins with. */
export interface FrameOptions {
  /** The address of the frame's page. */
  address: string;
  title: string;
  props: JsonValue;
  draft: JsonValue | undefined;
  theme: WidgetTheme;
  mostHeight: number;
}

interface Message {
  id?: string | number;
  method?: string;
  params: Record<string, unknown>;
}

/** Shows a widget in a frame inside of `parent`. */
export function framed(parent: Element, options: FrameOptions, listener: StageListener): Stage {
  return new Frame(parent, options, listener);
}

class Frame implements Stage {
  readonly #options: FrameOptions;
  readonly #listener: StageListener;
  readonly #element: HTMLIFrameElement;
  readonly #rate = new Rate(BURST, PER_SECOND);
  readonly #patience: ReturnType<typeof setTimeout>;
  #port: MessagePort | null = null;
  #isLoaded = false;
  #isReady = false;
  #isMounted = false;
  #isEnded = false;
  #height = 0;
  #painting = 0;
  #props: JsonValue;
  #theme: WidgetTheme;

  constructor(parent: Element, options: FrameOptions, listener: StageListener) {
    this.#options = options;
    this.#listener = listener;
    this.#props = options.props;
    this.#theme = options.theme;
    this.#element = frameOf(parent.ownerDocument, options);
    this.#element.addEventListener("load", this.#loaded);
    addEventListener("message", this.#said);
    this.#patience = setTimeout(() => this.#stop("It didn’t load in time."), LOADING_MS);
    parent.append(this.#element);
  }

  update(props: JsonValue): void {
    this.#props = props;
    this.#notify("props", { props });
  }

  setTheme(theme: WidgetTheme): void {
    this.#theme = theme;
    this.#element.style.colorScheme = theme;
    this.#notify("host-context-changed", { theme });
  }

  end(): void {
    if (this.#isEnded) return;
    this.#deafen();
    this.#element.hidden = true;
    this.#post({ id: 0, method: "ui/resource-teardown", params: {} });
    const port = this.#port;
    const part = () => {
      port?.close();
      this.#element.remove();
    };
    if (port === null) part();
    else setTimeout(part, PARTING_MS); // it may still put its things away
  }

  // ── One port ────────────────────────────────────────────────────────────────────────────────────────

  readonly #loaded = (): void => {
    if (this.#isLoaded) return this.#stop("It tried to become another page.");
    this.#isLoaded = true;
    this.#handOver();
  };

  readonly #said = ({ source, data }: MessageEvent): void => {
    if (source === null || source !== this.#element.contentWindow || this.#isReady) return;
    if (messageOf(data)?.method !== "ui/notifications/ready") return;
    this.#isReady = true;
    this.#handOver();
  };

  #handOver(): void {
    if (!this.#isLoaded || !this.#isReady || this.#port !== null) return;
    removeEventListener("message", this.#said);
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }) => this.#heard(data);
    // Its origin has no name that one could ask for; that it is the page of the frame is seen above.
    const ready = { jsonrpc: "2.0", method: "ui/notifications/port" };
    this.#element.contentWindow?.postMessage(ready, "*", [port2]);
  }

  // ── What it says ────────────────────────────────────────────────────────────────────────────────────

  #heard(data: unknown): void {
    if (this.#isEnded) return;
    if (!this.#rate.take()) return this.#stop("It said too much.");
    const message = messageOf(data);
    if (message === null) return;
    const { id, method, params } = message;
    if (id === undefined) return this.#told(method, params);
    if (method === "ui/initialize") return this.#post({ id, result: this.#beginning() });
    if (method === "ui/interaction") return void this.#interacted(id, params);
    if (method !== undefined) this.#post({ id, error: { code: -32601, message: "There is no such method." } });
  }

  #told(method: string | undefined, params: Record<string, unknown>): void {
    switch (method) {
      case "ui/notifications/initialized":
        return this.#mounted();
      case "ui/notifications/size-changed":
        return this.#resize(params["height"]);
      case "ui/notifications/draft":
        return this.#listener.drafted(params["data"]);
      case "ui/notifications/failed":
        return this.#failed(String(params["message"]).slice(0, 500));
      default: // of a later version
    }
  }

  #beginning() {
    const { draft } = this.#options;
    const known = { protocolVersion: VERSION, hostContext: { theme: this.#theme }, props: this.#props };
    return draft === undefined ? known : { ...known, draft };
  }

  async #interacted(id: string | number, { event, data }: Record<string, unknown>): Promise<void> {
    const answer = await this.#listener.interacted(event, data);
    this.#post(answer.accepted ? { id, result: answer } : { id, error: errorOf(answer) });
  }

  #mounted(): void {
    clearTimeout(this.#patience);
    this.#isMounted = true;
    this.#listener.mounted();
  }

  #failed(message: string): void {
    if (this.#isMounted) this.#listener.faulty(message);
    else this.#stop(message);
  }

  #resize(height: unknown): void {
    if (typeof height !== "number" || !Number.isFinite(height)) return;
    this.#height = Math.min(Math.max(Math.ceil(height), LEAST_HEIGHT), this.#options.mostHeight);
    this.#painting ||= requestAnimationFrame(() => {
      this.#painting = 0;
      this.#element.style.height = `${this.#height}px`;
    });
  }

  // ── Saying and ending ───────────────────────────────────────────────────────────────────────────────

  #notify(name: string, params: Record<string, unknown>): void {
    this.#post({ method: `ui/notifications/${name}`, params });
  }

  #post(message: Record<string, unknown>): void {
    this.#port?.postMessage({ jsonrpc: "2.0", ...message });
  }

  #stop(message: string): void {
    if (this.#isEnded) return;
    this.#deafen();
    this.#port?.close();
    this.#port = null;
    this.#element.remove();
    this.#listener.stopped(message);
  }

  #deafen(): void {
    this.#isEnded = true;
    clearTimeout(this.#patience);
    cancelAnimationFrame(this.#painting);
    removeEventListener("message", this.#said);
    this.#element.removeEventListener("load", this.#loaded);
  }
}

function frameOf(document: Document, { address, title, theme }: FrameOptions): HTMLIFrameElement {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.setAttribute("referrerpolicy", "no-referrer");
  frame.setAttribute("allow", "");
  frame.className = "interlock-widget-frame";
  frame.title = title;
  frame.style.cssText = "display: block; width: 100%; height: 160px; border: 0";
  frame.style.colorScheme = theme;
  frame.src = address;
  return frame;
}

function messageOf(data: unknown): Message | null {
  if (typeof data !== "object" || data === null || !("jsonrpc" in data) || data.jsonrpc !== "2.0") return null;
  const { id, method, params } = data as unknown as Record<string, unknown>;
  return {
    ...(typeof id === "string" || typeof id === "number" ? { id } : {}),
    ...(typeof method === "string" ? { method } : {}),
    params: typeof params === "object" && params !== null ? (params as Record<string, unknown>) : {},
  };
}

function errorOf(answer: WidgetAnswer & { accepted: false }) {
  return { code: -32000, message: answer.message, data: { code: answer.code } };
}
