// @vitest-environment jsdom
/** Widgets: what a frame may say, which events go through, and what ends it. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { InterlockError, renderWidget, type WidgetModule, type WidgetOptions } from "../src/index.js";
import { Gate, jsonOf, MOST_DATA_BYTES } from "../src/widgets/gate.js";
import { Latest, Rate } from "../src/widgets/rate.js";

const WIDGET = {
  bundle: "expense-review",
  version: "a".repeat(32),
  props: { items: [1] },
  events: ["approve", "reject"],
};

const yes = () => Promise.resolve(true);

describe("the gate", () => {
  it("lets one accepted event through, however often it is fired", async () => {
    const send = vi.fn(() => Promise.resolve());
    const gate = new Gate(WIDGET, send, yes);
    const answers = await Promise.all([gate.let("approve", {}), gate.let("approve", {}), gate.let("reject", {})]);
    expect(answers.map((each) => each.accepted)).toEqual([true, false, false]);
    expect(await gate.let("approve", {})).toMatchObject({ accepted: false, code: "busy" });
    expect(send).toHaveBeenCalledTimes(1);
  });

  it("is armed again when an event was refused, and tells why", async () => {
    const refusal = new InterlockError("invalid_decision", "The total is wrong.");
    const send = vi.fn().mockRejectedValueOnce(refusal).mockResolvedValue(undefined);
    const gate = new Gate(WIDGET, send, yes);
    const refused = { accepted: false, code: "invalid_decision", message: "The total is wrong." };
    expect(await gate.let("approve", {})).toEqual(refused);
    expect(await gate.let("approve", {})).toEqual({ accepted: true });
  });

  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  it.each([
    ["an event that isn't one of its own", "delete", {}, "unknown_interaction"],
    ["an event that has no name", 7, {}, "unknown_interaction"],
    ["data that is no object", "approve", [1], "invalid_data"],
    ["a circle", "approve", circle, "invalid_data"],
    ["a number that JSON doesn't have", "approve", { n: 1n }, "invalid_data"],
    ["too much", "approve", { text: "x".repeat(MOST_DATA_BYTES) }, "invalid_data"],
  ])("sends nothing for %s, and stays armed", async (_, event, data, code) => {
    const send = vi.fn();
    const gate = new Gate(WIDGET, send, yes);
    expect(await gate.let(event, data)).toMatchObject({ accepted: false, code });
    expect(send).not.toHaveBeenCalled();
    expect(await gate.let("approve", {})).toEqual({ accepted: true });
  });

  it("measures data in bytes", () => {
    expect(jsonOf("é".repeat(10), 21)).toBeUndefined();
    expect(jsonOf("é".repeat(10), 22)).toBe("é".repeat(10));
  });
});

describe("rates", () => {
  it("are a burst, and then so many a second", () => {
    let now = 0;
    const rate = new Rate(3, 10, () => now);
    expect([1, 2, 3, 4].map(() => rate.take())).toEqual([true, true, true, false]);
    now = 200;
    expect([1, 2, 3].map(() => rate.take())).toEqual([true, true, false]);
  });

  it("keep the newest of what comes too fast", () => {
    vi.useFakeTimers();
    const seen: number[] = [];
    const latest = new Latest<number>(100, (value) => seen.push(value));
    for (const value of [1, 2, 3]) latest.give(value);
    expect(seen).toEqual([1]);
    vi.advanceTimersByTime(100);
    expect(seen).toEqual([1, 3]);
    latest.give(4);
    latest.flush();
    expect(seen).toEqual([1, 3, 4]);
    latest.drop();
    vi.useRealTimers();
  });
});

// ── In a frame ──────────────────────────────────────────────────────────────────────────────────────────

const hosts: { unmount: () => void }[] = [];
const ports: MessagePort[] = [];

beforeEach(() => document.body.replaceChildren());
afterEach(() => {
  for (const each of hosts.splice(0)) each.unmount();
  for (const port of ports.splice(0)) port.close();
});

function shown(more: Partial<WidgetOptions> = {}) {
  const onInteraction = vi.fn(() => Promise.resolve());
  const onError = vi.fn();
  const onDraft = vi.fn();
  const options = { widget: WIDGET, server: "http://there.example:7777/below", onInteraction, onError, onDraft };
  const rendered = renderWidget(document.body, { ...options, ...more });
  hosts.push(rendered);
  return { rendered, onInteraction, onError, onDraft };
}

const frame = () => document.querySelector("iframe");
const within = (): Window => {
  const found = frame()?.contentWindow;
  if (!found) throw new Error("there is no frame");
  return found;
};
const isLoaded = () => frame()?.dispatchEvent(new Event("load"));

function says(source: unknown) {
  const data = { jsonrpc: "2.0", method: "ui/notifications/ready" };
  window.dispatchEvent(new MessageEvent("message", { data, source: source as Window }));
}

/** What is inside of the frame, once it was handed its port. */
class Inside {
  readonly heard: Record<string, unknown>[] = [];
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
    ports.push(port);
    port.onmessage = ({ data }) => this.heard.push(data as Record<string, unknown>);
  }

  post(message: Record<string, unknown>) {
    this.#port.postMessage({ jsonrpc: "2.0", ...message });
  }

  async answer(id: number, method: string, params: Record<string, unknown> = {}) {
    this.post({ id, method, params });
    return vi.waitFor(() => {
      const found = this.heard.find((each) => each["id"] === id);
      if (!found) throw new Error(`no answer to ${method}`);
      return found;
    });
  }
}

function inside(): Inside {
  const inner = within();
  const posted = vi.spyOn(inner, "postMessage").mockImplementation(() => undefined);
  isLoaded();
  says(inner);
  says(inner);
  expect(posted).toHaveBeenCalledTimes(1);
  const [, , transferred] = posted.mock.calls[0] as unknown as [unknown, string, MessagePort[]];
  return new Inside(transferred[0]!);
}

describe("a frame", () => {
  it("has no origin, and is the page of this version of the bundle", () => {
    shown();
    expect(frame()?.getAttribute("sandbox")).toBe("allow-scripts");
    expect(frame()?.getAttribute("allow")).toBe("");
    expect(frame()?.src).toBe(`http://there.example:7777/below/widgets/expense-review/${"a".repeat(32)}/frame`);
  });

  it("is told its props, its draft and the theme, and nothing else", async () => {
    shown({ draft: { notes: "half" }, theme: "dark" });
    const { result } = await inside().answer(1, "ui/initialize");
    expect(result).toEqual({
      protocolVersion: 1,
      hostContext: { theme: "dark" },
      props: { items: [1] },
      draft: { notes: "half" },
    });
  });

  it("is handed no port for what another window says", () => {
    shown();
    const posted = vi.spyOn(within(), "postMessage");
    isLoaded();
    says(window);
    says(null);
    expect(posted).not.toHaveBeenCalled();
  });

  it("is ended when it loads a second time, and whatever is in it then is not heard", () => {
    const { onError } = shown();
    const posted = vi.spyOn(within(), "postMessage");
    isLoaded();
    isLoaded();
    expect(frame()).toBeNull();
    expect(posted).not.toHaveBeenCalled();
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: "widget_stopped" }));
    expect(document.body.textContent).toContain("was stopped");
  });

  it("tells an event to the page once, and answers each", async () => {
    const { onInteraction } = shown();
    const widget = inside();
    const data = { totalApproved: 450 };
    const answers = await Promise.all(
      [1, 2].map((id) => widget.answer(id, "ui/interaction", { event: "approve", data })),
    );
    expect(answers[0]).toMatchObject({ result: { accepted: true } });
    expect(answers[1]).toMatchObject({ error: { data: { code: "busy" } } });
    expect(onInteraction).toHaveBeenCalledTimes(1);
    expect(onInteraction).toHaveBeenCalledWith("approve", data);
  });

  it("that says too much is ended", async () => {
    const { onError } = shown();
    const widget = inside();
    for (let each = 0; each < 1000; each += 1)
      widget.post({ method: "ui/notifications/draft", params: { data: each } });
    await vi.waitFor(() => expect(onError).toHaveBeenCalled());
    expect(frame()).toBeNull();
  });

  it("is as high as it asks, within bounds", async () => {
    shown({ maxHeight: 500 });
    const widget = inside();
    for (const [height, applied] of [
      [300, "300px"],
      [1e9, "500px"],
      [-1, "40px"],
    ] as const) {
      widget.post({ method: "ui/notifications/size-changed", params: { height } });
      await vi.waitFor(() => expect(frame()?.style.height).toBe(applied));
    }
    for (const height of ["9", NaN, null]) widget.post({ method: "ui/notifications/size-changed", params: { height } });
    await widget.answer(1, "ui/initialize");
    expect(frame()?.style.height).toBe("40px");
  });

  it("passes over what isn't of the protocol, and refuses methods that there aren't", async () => {
    const { onInteraction } = shown();
    const widget = inside();
    for (const message of [{ jsonrpc: "1.0" }, { method: 5 }, { method: "tools/call" }, { id: {} }])
      widget.post(message);
    expect(await widget.answer(1, "tools/call")).toMatchObject({ error: { code: -32601 } });
    expect(onInteraction).not.toHaveBeenCalled();
  });

  it("gives drafts on, and none after its answer", async () => {
    const { onDraft } = shown();
    const widget = inside();
    widget.post({ method: "ui/notifications/draft", params: { data: { notes: "a" } } });
    widget.post({ method: "ui/notifications/draft", params: { data: { notes: "x".repeat(20_000) } } });
    await widget.answer(1, "ui/interaction", { event: "reject", data: {} });
    widget.post({ method: "ui/notifications/draft", params: { data: { notes: "b" } } });
    await widget.answer(2, "ui/initialize");
    expect(onDraft.mock.calls).toEqual([[{ notes: "a" }]]);
  });

  it("hears of other props and of another theme", async () => {
    const { rendered } = shown({ theme: "light" });
    const widget = inside();
    rendered.update({ items: [2] });
    rendered.setTheme("dark");
    await vi.waitFor(() => expect(widget.heard).toHaveLength(2));
    expect(widget.heard.map(({ method, params }) => [method, params])).toEqual([
      ["ui/notifications/props", { props: { items: [2] } }],
      ["ui/notifications/host-context-changed", { theme: "dark" }],
    ]);
  });

  it("has the theme that the page has, and hears when that changes", async () => {
    const page = document.documentElement;
    page.style.colorScheme = "dark";
    const scheme = vi.spyOn(window, "getComputedStyle");
    scheme.mockImplementation(() => ({ colorScheme: page.style.colorScheme }) as CSSStyleDeclaration);
    shown();
    const widget = inside();
    expect(await widget.answer(1, "ui/initialize")).toMatchObject({ result: { hostContext: { theme: "dark" } } });
    page.style.colorScheme = "light";
    await vi.waitFor(() => expect(widget.heard.at(-1)).toMatchObject({ params: { theme: "light" } }));
    scheme.mockRestore();
    page.removeAttribute("style");
  });

  it("whose bundle fails before it is mounted is ended, and one that fails later goes on", async () => {
    const { onError } = shown();
    const widget = inside();
    widget.post({ method: "ui/notifications/initialized" });
    widget.post({ method: "ui/notifications/failed", params: { message: "later" } });
    await vi.waitFor(() => expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: "widget_failed" })));
    expect(frame()).not.toBeNull();
    document.body.replaceChildren();
    const other = shown();
    inside().post({ method: "ui/notifications/failed", params: { message: "no mount" } });
    await vi.waitFor(() =>
      expect(other.onError).toHaveBeenCalledWith(expect.objectContaining({ message: "no mount" })),
    );
    expect(frame()).toBeNull();
  });
});

// ── The page's own button, and bundles in the page ──────────────────────────────────────────────────────

describe("an event that is to be confirmed", () => {
  const button = (name: string) => document.querySelector<HTMLButtonElement>(`.interlock-widget-${name}`);

  it("is sent only after the page's own button, which can't be pressed at once", async () => {
    const { onInteraction } = shown({ widget: { ...WIDGET, confirm: ["approve"] } });
    const widget = inside();
    const answered = widget.answer(1, "ui/interaction", { event: "approve", data: { totalApproved: 450 } });
    await vi.waitFor(() => expect(button("send")).not.toBeNull());
    button("send")?.click();
    expect(onInteraction).not.toHaveBeenCalled();
    expect(document.body.textContent).toContain('"totalApproved": 450');
    await vi.waitFor(() => expect(button("send")?.disabled).toBe(false));
    button("send")?.click();
    expect(await answered).toMatchObject({ result: { accepted: true } });
    expect(onInteraction).toHaveBeenCalledTimes(1);
  });

  it("may be kept, and then another is let through", async () => {
    const { onInteraction } = shown({ widget: { ...WIDGET, confirm: true } });
    const widget = inside();
    const answered = widget.answer(1, "ui/interaction", { event: "approve", data: {} });
    await vi.waitFor(() => expect(button("keep")).not.toBeNull());
    button("keep")?.click();
    expect(await answered).toMatchObject({ error: { data: { code: "not_confirmed" } } });
    void widget.answer(2, "ui/interaction", { event: "reject", data: {} }).catch(() => undefined);
    await vi.waitFor(() => expect(button("keep")).not.toBeNull());
    expect(onInteraction).not.toHaveBeenCalled();
  });
});

describe("a bundle in the page", () => {
  it("is only what the page's own code gives, and goes through the same gate", async () => {
    const unmount = vi.fn();
    const mount = vi.fn<WidgetModule["mount"]>((container, _props, callbacks) => {
      const press = document.createElement("button");
      press.onclick = () => void callbacks.onInteraction("approve", { n: 1 });
      container.append(press);
      return { unmount };
    });
    const { rendered, onInteraction } = shown({ module: { mount } });
    expect(frame()).toBeNull();
    const press = document.querySelector("button");
    press?.click();
    press?.click();
    await vi.waitFor(() => expect(onInteraction).toHaveBeenCalledTimes(1));
    rendered.update({ items: [2] });
    await vi.waitFor(() => expect(mount).toHaveBeenCalledTimes(2));
    rendered.unmount();
    expect(unmount).toHaveBeenCalled();
    expect(document.querySelector("button")).toBeNull();
  });
});
