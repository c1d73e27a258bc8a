/**
 * Reviews the items of an expense report: which are paid, with a total and notes.
 *
 * Props: `{ title, employee, currency, items: [{ id, description, amount, date?, flag? }] }`
 * Events: `approve`, `reject`, `requestAmendment`, each with `{ approvedItems, rejectedItems, totalApproved, notes }`.
 * Draft: `{ rejected: [id], notes }`
 */

const STYLE = `
  .report { display: grid; gap: 12px; }
  .report h2 { margin: 0; font-size: 1.1rem; }
  .report p { margin: 0; color: var(--soft); }
  .items { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: 8px; }
  .items li + li { border-top: 1px solid var(--line); }
  .items label { display: grid; grid-template-columns: auto 1fr auto; gap: 4px 10px; align-items: baseline; padding: 10px 12px;
    cursor: pointer; }
  .items input { width: 18px; height: 18px; margin: 0; align-self: center; accent-color: var(--accent); }
  .items small { grid-column: 2 / -1; color: var(--soft); }
  .items .flag { color: var(--bad); }
  .amount { font-variant-numeric: tabular-nums; }
  .left-out .amount { color: var(--soft); text-decoration: line-through; }
  .total { display: flex; justify-content: space-between; padding: 10px 12px; border-radius: 8px; background: var(--wash);
    font-weight: 600; }
  .notes { display: grid; gap: 4px; }
  textarea { box-sizing: border-box; width: 100%; min-height: 70px; padding: 8px; border: 1px solid var(--soft); border-radius: 6px;
    background: var(--paper); color: var(--ink); font: inherit; }
  .buttons { display: flex; flex-wrap: wrap; gap: 8px; }
  button { min-height: 38px; padding: 0 14px; border: 1px solid var(--soft); border-radius: 6px; background: var(--paper);
    color: var(--ink); font: inherit; font-weight: 500; cursor: pointer; }
  button.main { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
  button[aria-disabled="true"] { opacity: 0.55; cursor: default; }
  .fault { color: var(--bad) !important; }
`;

/** An element with these properties, and what is in it. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function mount(container, props, callbacks) {
  const { items = [], currency = "EUR", employee = "", title = "Expense report" } = props;
  const money = new Intl.NumberFormat("en", { style: "currency", currency });
  const rejected = new Set(callbacks.draft?.rejected ?? []);

  const total = make("output", { className: "amount" });
  const notes = make("textarea", { id: "notes", value: callbacks.draft?.notes ?? "", maxLength: 2000 });
  const fault = make("p", { className: "fault" });
  fault.setAttribute("role", "alert");

  const sumOf = (some) => Math.round(some.reduce((sum, item) => sum + item.amount * 100, 0)) / 100;
  const picked = ({ id, amount }) => ({ id, amount });
  const isApproved = (item) => !rejected.has(item.id);

  function answer() {
    const approved = items.filter(isApproved);
    return {
      approvedItems: approved.map(picked),
      rejectedItems: items.filter((item) => !isApproved(item)).map(picked),
      totalApproved: sumOf(approved),
      notes: notes.value.trim(),
    };
  }

  function changed() {
    total.textContent = money.format(answer().totalApproved);
    callbacks.onDraft({ rejected: [...rejected], notes: notes.value });
  }

  function row(item) {
    const box = make("input", { type: "checkbox", checked: isApproved(item) });
    const flag = item.flag ? [make("small", { className: "flag", textContent: item.flag })] : [];
    const line = make(
      "label",
      {},
      box,
      make("span", { textContent: item.description }),
      make("span", { className: "amount", textContent: money.format(item.amount) }),
      ...(item.date ? [make("small", { textContent: item.date })] : []),
      ...flag,
    );
    const show = () => line.classList.toggle("left-out", !box.checked);
    box.addEventListener("change", () => {
      if (box.checked) rejected.delete(item.id);
      else rejected.add(item.id);
      show();
      changed();
    });
    show();
    return make("li", {}, line);
  }

  async function fire(event) {
    fault.textContent = "";
    if (event === "requestAmendment" && notes.value.trim() === "") {
      fault.textContent = "Say in the notes what is to be amended.";
      return notes.focus();
    }
    arm(false);
    const answered = await callbacks.onInteraction(event, answer());
    if (answered.accepted) return;
    arm(true);
    if (answered.code !== "not_confirmed") fault.textContent = answered.message;
  }

  const button = (event, text, className = "") => {
    const element = make("button", { type: "button", textContent: text, className });
    element.addEventListener("click", () => element.ariaDisabled !== "true" && fire(event));
    return element;
  };
  const buttons = [button("approve", "Approve", "main"), button("reject", "Reject"), button("requestAmendment", "Ask to amend")];
  const arm = (isArmed) => buttons.forEach((each) => (each.ariaDisabled = String(!isArmed)));

  notes.addEventListener("input", changed);
  container.append(
    make("style", { textContent: STYLE }),
    make(
      "div",
      { className: "report" },
      make("h2", { textContent: title }),
      make("p", { textContent: `${employee ? `By ${employee}. ` : ""}Uncheck what isn’t to be paid.` }),
      make("ul", { className: "items" }, ...items.map(row)),
      make("div", { className: "total" }, "Approved", total),
      make("div", { className: "notes" }, make("label", { htmlFor: "notes", textContent: "Notes" }), notes),
      fault,
      make("div", { className: "buttons" }, ...buttons),
    ),
  );
  total.textContent = money.format(answer().totalApproved);
  return { unmount: () => container.replaceChildren() };
}
