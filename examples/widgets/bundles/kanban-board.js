/**
 * A board whose cards are dragged between columns, with the pointer or by the arrow keys.
 *
 * Props: `{ title, columns: [{ id, title, limit? }], cards: [{ id, title, column, points? }] }`
 * Events: `commit` with `{ moves: [{ card, from, to }], columns: { id: [card] } }`, `discard` with nothing.
 * Draft: the columns, as `commit` has them.
 *
 * A drag is no event: only "Commit the plan" answers the question.
 */

const STYLE = `
  .bar { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; justify-content: space-between; margin-bottom: 10px; }
  .bar h2 { margin: 0; font-size: 1.1rem; }
  .board { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(150px, 1fr); gap: 10px; overflow-x: auto;
    padding-bottom: 4px; }
  .column { display: flex; flex-direction: column; gap: 8px; min-height: 140px; padding: 10px; border: 2px solid transparent;
    border-radius: 8px; background: var(--wash); }
  .column.target { border-color: var(--accent); }
  .column h3 { display: flex; justify-content: space-between; margin: 0; font-size: 0.9rem; }
  .column h3 span { color: var(--soft); font-weight: 400; }
  .column.full h3 span { color: var(--bad); }
  .card { box-sizing: border-box; width: 100%; padding: 8px 10px; border: 1px solid var(--line); border-radius: 6px;
    background: var(--paper); color: var(--ink); font: inherit; text-align: left; cursor: grab; touch-action: none;
    user-select: none; }
  .card.moved { border-left: 3px solid var(--accent); }
  .card.dragged { position: fixed; z-index: 1; width: auto; opacity: 0.9; cursor: grabbing; pointer-events: none;
    box-shadow: 0 6px 18px rgb(0 0 0 / 30%); }
  .card:focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
  .hint, .fault { margin: 10px 0; color: var(--soft); }
  .fault:empty { display: none; }
  .fault { color: var(--bad); }
  .buttons { display: flex; flex-wrap: wrap; gap: 8px; }
  .buttons button { min-height: 38px; padding: 0 14px; border: 1px solid var(--soft); border-radius: 6px;
    background: var(--paper); color: var(--ink); font: inherit; font-weight: 500; cursor: pointer; }
  .buttons .main { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
  .buttons [aria-disabled="true"] { opacity: 0.55; cursor: default; }
  .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`;
const FAR_ENOUGH = 5;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Where each card is: the ids of each column's cards, in order. What a draft says counts as far as it fits. */
function begun(columns, cards, draft) {
  const places = Object.fromEntries(columns.map(({ id }) => [id, []]));
  const left = new Map(cards.map((card) => [card.id, card.column]));
  for (const { id } of columns)
    for (const card of draft?.[id] ?? []) if (left.delete(card)) places[id].push(card);
  for (const [card, column] of left) (places[column] ?? places[columns[0].id]).push(card);
  return places;
}

export function mount(container, props, callbacks) {
  const { columns = [], cards = [], title = "Board" } = props;
  const places = begun(columns, cards, callbacks.draft);
  const home = new Map(cards.map((card) => [card.id, card.column]));
  const titles = new Map(cards.map((card) => [card.id, card.title]));
  const board = make("div", { className: "board" });
  const live = make("p", { className: "unseen" });
  const fault = make("p", { className: "fault" });
  live.setAttribute("aria-live", "polite");
  fault.setAttribute("role", "alert");

  const columnOf = (card) => columns.find(({ id }) => places[id].includes(card));
  const overfull = () => columns.filter(({ id, limit }) => limit !== undefined && places[id].length > limit);

  function move(card, column, at = places[column].length) {
    const from = columnOf(card);
    places[from.id].splice(places[from.id].indexOf(card), 1);
    places[column].splice(Math.max(0, Math.min(at, places[column].length)), 0, card);
    fault.textContent = "";
    draw(card);
    const to = columnOf(card);
    const place = places[column].indexOf(card) + 1;
    live.textContent = `${titles.get(card)}: ${to.title}, ${place} of ${places[column].length}`;
    callbacks.onDraft(places);
  }

  // ── By keys ───────────────────────────────────────────────────────────────────────────────────────────

  function pressed(event, card) {
    const here = columns.indexOf(columnOf(card));
    const at = places[columns[here].id].indexOf(card);
    const [aside, along] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    const to = columns[here + aside];
    if (to === undefined) return;
    event.preventDefault();
    move(card, to.id, aside === 0 ? at + along : undefined);
  }

  // ── By the pointer ────────────────────────────────────────────────────────────────────────────────────

  function grabbed(start, card, element) {
    if (start.button !== 0) return;
    const box = element.getBoundingClientRect();
    let isDragged = false;
    const moved = (event) => {
      if (!isDragged && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < FAR_ENOUGH) return;
      isDragged = true;
      element.classList.add("dragged");
      element.style.width = `${box.width}px`;
      element.style.left = `${box.left + event.clientX - start.clientX}px`;
      element.style.top = `${box.top + event.clientY - start.clientY}px`;
      for (const each of board.children) each.classList.toggle("target", each === under(event));
    };
    const ended = (event) => {
      element.removeEventListener("pointermove", moved);
      element.classList.remove("dragged");
      element.removeAttribute("style");
      const column = isDragged && event.type === "pointerup" ? under(event) : undefined;
      if (column !== undefined) move(card, column.dataset.column, before(event, column, card));
      else draw(card);
    };
    element.setPointerCapture(start.pointerId);
    element.addEventListener("pointermove", moved);
    for (const type of ["pointerup", "pointercancel"]) element.addEventListener(type, ended, { once: true });
  }

  function under({ clientX, clientY }) {
    return [...board.children].find((each) => {
      const { left, right, top, bottom } = each.getBoundingClientRect();
      return clientX >= left && clientX <= right && clientY >= top - 40 && clientY <= bottom + 40;
    });
  }

  /** Before which of a column's cards the pointer is. */
  function before({ clientY }, column, card) {
    const others = [...column.querySelectorAll(".card")].filter((each) => each.dataset.card !== card);
    const found = others.findIndex((each) => {
      const { top, height } = each.getBoundingClientRect();
      return clientY < top + height / 2;
    });
    return found === -1 ? others.length : found;
  }

  // ── What is seen ──────────────────────────────────────────────────────────────────────────────────────

  function cardOf(id) {
    const text = cards.find((each) => each.id === id);
    const element = make("button", { type: "button", className: "card", textContent: text.title });
    element.dataset.card = id;
    element.classList.toggle("moved", columnOf(id).id !== home.get(id));
    if (text.points !== undefined) element.append(` (${text.points})`);
    element.setAttribute("aria-describedby", "how");
    element.addEventListener("keydown", (event) => pressed(event, id));
    element.addEventListener("pointerdown", (event) => grabbed(event, id, element));
    return element;
  }

  function draw(focused) {
    board.replaceChildren(
      ...columns.map(({ id, title: name, limit }) => {
        const count = limit === undefined ? `${places[id].length}` : `${places[id].length} of ${limit}`;
        const heading = make("h3", {}, name, make("span", { textContent: count }));
        const column = make("section", { className: "column", ariaLabel: name }, heading, ...places[id].map(cardOf));
        column.dataset.column = id;
        column.classList.toggle("full", limit !== undefined && places[id].length > limit);
        return column;
      }),
    );
    board.querySelector(`[data-card="${CSS.escape(focused ?? "")}"]`)?.focus();
  }

  async function fire(event, data) {
    const [full] = event === "commit" ? overfull() : [];
    fault.textContent = full ? `${full.title} takes ${full.limit} cards at most; move one out of it.` : "";
    if (full) return;
    arm(false);
    const answered = await callbacks.onInteraction(event, data);
    if (answered.accepted) return;
    arm(true);
    if (answered.code !== "not_confirmed") fault.textContent = answered.message;
  }

  function plan() {
    const moves = cards
      .map(({ id, column }) => ({ card: id, from: column, to: columnOf(id).id }))
      .filter(({ from, to }) => from !== to);
    return { moves, columns: places };
  }

  const button = (text, className, call) => {
    const element = make("button", { type: "button", textContent: text, className });
    element.addEventListener("click", () => element.ariaDisabled !== "true" && call());
    return element;
  };
  const buttons = [
    button("Commit the plan", "main", () => fire("commit", plan())),
    button("Leave it as it was", "", () => fire("discard", {})),
  ];
  const arm = (isArmed) => buttons.forEach((each) => (each.ariaDisabled = String(!isArmed)));

  draw();
  container.append(
    make("style", { textContent: STYLE }),
    make("div", { className: "bar" }, make("h2", { textContent: title })),
    board,
    make("p", { className: "hint", id: "how", textContent: "Drag a card, or move it by the arrow keys." }),
    live,
    fault,
    make("div", { className: "buttons" }, ...buttons),
  );
  return { unmount: () => container.replaceChildren() };
}
