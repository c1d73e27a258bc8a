/**
 * The page's own button, which comes after an event that needs a confirmation.
 *
 * Laws:
 * - It is no part of the frame, and says what is about to be sent.
 * - It can't be pressed in the moment in which it appears: the click before it was meant for something else.
 */

import type { JsonValue } from "../protocol.js";

const SETTLING_MS = 300;
const MOST_SHOWN = 2000;

/** Asks below the widget; resolves to whether it is to be sent. `signal` takes the question back, as a no. */
export function asked(
  parent: Element,
  event: string,
  data: Record<string, JsonValue>,
  signal: AbortSignal,
): Promise<boolean> {
  const { ownerDocument: document } = parent;
  const make = (tag: string, name: string, text = "") =>
    Object.assign(document.createElement(tag), { className: `interlock-widget-${name}`, textContent: text });
  const box = make("div", "confirm");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Confirm what is sent");
  const yes = button(make("button", "send", `Send “${event.slice(0, 64)}”`));
  const no = button(make("button", "keep", "Don’t send"));
  box.append(make("p", "question", "This is about to be sent:"), make("pre", "data", shown(data)), yes, no);
  parent.append(box);
  yes.disabled = true;
  const settling = setTimeout(() => {
    yes.disabled = false;
    yes.focus();
  }, SETTLING_MS);
  return new Promise((resolve) => {
    const close = (isSent: boolean) => {
      clearTimeout(settling);
      box.remove();
      resolve(isSent);
    };
    yes.addEventListener("click", () => close(true), { once: true });
    no.addEventListener("click", () => close(false), { once: true });
    signal.addEventListener("abort", () => close(false), { once: true });
  });
}

function button(element: HTMLElement): HTMLButtonElement {
  return Object.assign(element as HTMLButtonElement, { type: "button" as const });
}

function shown(data: Record<string, JsonValue>): string {
  const text = JSON.stringify(data, null, 2);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
