/*
 * The bridge between a widget's bundle and the page around its frame.
 *
 * Laws:
 * - Nothing of the bundle runs before the page has handed over a port, which it does once. So whatever the bundle puts in
 *   the place of this page never gets one.
 * - Over the port go JSON-RPC 2.0 messages, and these only: `ui/initialize`, `ui/interaction` and `ui/resource-teardown` are
 *   requests, `ui/notifications/…` are not. What they carry is JSON.
 * - What a bundle throws is told to the page, and is no end of the bridge.
 */
(() => {
  "use strict";
  const root = document.getElementById("root");
  const bundle = new URL(document.documentElement.dataset.bundle, location.href).href;
  const VERSION = 1;

  // These reach others without asking the page's policy.
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "RTCDataChannel"]) delete globalThis[name];

  let port = null;
  let module = null;
  let mounted = null;
  let isMeasured = true;
  let requests = 0;
  const waiting = new Map();

  // ── Messages ──────────────────────────────────────────────────────────────────────────────────────────

  const post = (message) => port?.postMessage({ jsonrpc: "2.0", ...message });
  const tell = (name, params) => post({ method: `ui/notifications/${name}`, params });
  const failed = (error) => tell("failed", { message: String(error?.message ?? error).slice(0, 500) });

  function ask(method, params) {
    const id = (requests += 1);
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      post({ id, method, params });
    });
  }

  function heard({ data: message }) {
    if (message?.jsonrpc !== "2.0") return;
    if (message.method === undefined) {
      waiting.get(message.id)?.(message);
      waiting.delete(message.id);
      return;
    }
    try {
      HANDLERS[message.method]?.(message.params ?? {});
    } catch (error) {
      failed(error);
    }
    if (message.id !== undefined) post({ id: message.id, result: {} });
  }

  const HANDLERS = {
    "ui/notifications/props": ({ props }) => update(props),
    "ui/notifications/host-context-changed": ({ theme }) => show(theme),
    "ui/resource-teardown": () => unmount(),
  };

  // ── What a bundle calls ───────────────────────────────────────────────────────────────────────────────

  const plain = (value) => (value === undefined ? null : JSON.parse(JSON.stringify(value)));

  const callbacks = {
    /** Tells of what a person did. Resolves to `{accepted: true}`, or `{accepted: false, code, message}`; never rejects. */
    async onInteraction(event, data = {}) {
      const answer = await ask("ui/interaction", { event: String(event), data: plain(data) });
      if (answer.error === undefined) return { accepted: true };
      return { accepted: false, code: answer.error.data?.code ?? "internal", message: answer.error.message };
    },
    /** Has the page keep what is half done. */
    onDraft: (data) => tell("draft", { data: plain(data) }),
    /** Asks for so many pixels of height; without it, the frame is as high as what is in it. */
    resize(height) {
      isMeasured = false;
      tell("size-changed", { height: Number(height) });
    },
    draft: undefined,
    theme: "light",
  };

  // ── Its life ──────────────────────────────────────────────────────────────────────────────────────────

  function show(theme) {
    callbacks.theme = theme === "dark" ? "dark" : "light";
    document.documentElement.dataset.theme = callbacks.theme;
    mounted?.theme?.(callbacks.theme);
  }

  async function mount(props) {
    root.replaceChildren();
    mounted = (await module.mount(root, props, callbacks)) ?? {};
  }

  function update(props) {
    if (mounted === null) return;
    if (typeof mounted.update === "function") return void mounted.update(props);
    unmount();
    mount(props).catch(failed);
  }

  function unmount() {
    const ending = mounted;
    mounted = null;
    ending?.unmount?.();
  }

  /** The bundle: a module that exports `mount`, or a script that defines it. */
  async function load() {
    const found = await import(bundle).catch((error) => ({ error }));
    const exported = found.mount ?? found.default?.mount ?? found.default;
    if (typeof exported === "function") return { mount: exported };
    if (typeof globalThis.mount !== "function") await script();
    if (typeof globalThis.mount === "function") return { mount: globalThis.mount };
    throw found.error ?? new Error("The bundle neither exports a function `mount` nor defines one.");
  }

  function script() {
    return new Promise((resolve) => {
      const element = Object.assign(document.createElement("script"), { src: bundle, crossOrigin: "anonymous" });
      element.onload = element.onerror = resolve;
      document.head.append(element);
    });
  }

  function measure() {
    new ResizeObserver(() => {
      if (isMeasured) tell("size-changed", { height: Math.ceil(root.getBoundingClientRect().height) });
    }).observe(root);
  }

  async function begin() {
    const { result } = await ask("ui/initialize", { protocolVersion: VERSION });
    show(result.hostContext?.theme);
    callbacks.draft = result.draft;
    try {
      module = await load();
      await mount(result.props);
      measure();
      tell("initialized", {});
    } catch (error) {
      failed(error);
    }
  }

  function handed(event) {
    if (event.source !== parent || event.ports.length !== 1 || port !== null) return;
    removeEventListener("message", handed);
    port = event.ports[0];
    port.onmessage = heard;
    void begin();
  }

  addEventListener("error", (event) => failed(event.error ?? event.message));
  addEventListener("unhandledrejection", (event) => failed(event.reason));
  addEventListener("message", handed);
  parent.postMessage({ jsonrpc: "2.0", method: "ui/notifications/ready" }, "*");
})();
