/**
 * Shows what a deployment changes, setting by setting, with a note for those who are asked.
 *
 * Props: `{ service, version, changes: [{ setting, before, after }] }`
 * Events: `propose`, with `{ note }`; `drop`.
 * Draft: `{ note }`
 */

const STYLE = `
  .plan { display: grid; gap: 12px; }
  .plan h2 { margin: 0; font-size: 1.1rem; }
  .plan p { margin: 0; color: var(--soft); }
  .changes { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
  .changes li { display: grid; gap: 4px; padding: 10px 12px; }
  .changes li + li { border-top: 1px solid var(--line); }
  .changes b { font-weight: 600; }
  .changes code { display: block; padding: 2px 8px; border-radius: 4px; background: var(--wash); overflow-wrap: anywhere; }
  .changes del, .changes ins { text-decoration: none; }
  .changes del code { color: var(--bad); }
  .changes ins code { color: var(--good, inherit); }
  .note { display: grid; gap: 4px; }
  textarea { box-sizing: border-box; width: 100%; min-height: 60px; padding: 8px; border: 1px solid var(--soft); border-radius: 6px;
    background: var(--paper); color: var(--ink); font: inherit; }
  .buttons { display: flex; flex-wrap: wrap; gap: 8px; }
  button { min-height: 38px; padding: 0 14px; border: 1px solid var(--soft); border-radius: 6px; background: var(--paper);
    color: var(--ink); font: inherit; font-weight: 500; cursor: pointer; }
  button[aria-disabled="true"] { opacity: 0.55; cursor: default; }
  .fault { color: var(--bad) !important; }
  button.main { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
`;

/** An element with these properties, and what is in it. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** One line of the diff: what was, or what is to be. */
function side(tag, sign, value) {
  const text = value === null || value === undefined ? "not set" : String(value);
  const code = make("code", { textContent: `${sign} ${text}` });
  return make(tag, {}, code);
}

export function mount(container, props, callbacks) {
  const { changes = [], service = "", version = "" } = props;
  const note = make("textarea", { id: "note", value: callbacks.draft?.note ?? "", maxLength: 2000 });
  note.addEventListener("input", () => callbacks.onDraft({ note: note.value }));

  const rows = changes.map(({ setting, before, after }) =>
    make("li", {}, make("b", { textContent: setting }), side("del", "−", before), side("ins", "+", after)),
  );
  const fault = make("p", { className: "fault" });
  fault.setAttribute("role", "alert");

  async function fire(event, data) {
    fault.textContent = "";
    arm(false);
    const answered = await callbacks.onInteraction(event, data);
    if (answered.accepted) return;
    arm(true);
    if (answered.code !== "not_confirmed") fault.textContent = answered.message;
  }

  const button = (text, className, fired) => {
    const element = make("button", { type: "button", textContent: text, className });
    element.addEventListener("click", () => element.ariaDisabled !== "true" && fired());
    return element;
  };
  const buttons = [
    button("Propose it", "main", () => fire("propose", { note: note.value.trim() })),
    button("Drop it", "", () => fire("drop", {})),
  ];
  const arm = (isArmed) => buttons.forEach((each) => (each.ariaDisabled = String(!isArmed)));

  const content = make(
    "section",
    { className: "plan" },
    make("h2", { textContent: `${service} ${version}` }),
    rows.length
      ? make("ul", { className: "changes" }, ...rows)
      : make("p", { textContent: "This deployment changes nothing." }),
    make("div", { className: "note" }, make("label", { htmlFor: "note", textContent: "Note for those who decide" }), note),
    fault,
    make("div", { className: "buttons" }, ...buttons),
  );
  container.replaceChildren(make("style", { textContent: STYLE }), content);
  return { unmount: () => container.replaceChildren() };
}
