/** A plan of tables: each with its waiter, its state and how long that has lasted. */

import { GUESTS_PATIENCE, KITCHENS_PATIENCE, NO_HURRY } from "./ages.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { STATUS_LABELS, titleOf } from "./words.js";

// A tile stays small, however much a table asks for. A guess.
const MAX_LINES = 3;

/** What a table's state is: that of the first of these which one of its tickets has. */
const STATES = [
  { state: "waiting", word: "Waiting", of: ["New"], patience: GUESTS_PATIENCE },
  { state: "ready", word: "Food ready", of: ["Complete"], patience: GUESTS_PATIENCE },
  {
    state: "busy",
    word: "In hand",
    of: ["OnHold", "Acknowledged", "InProgress"],
    patience: KITCHENS_PATIENCE,
  },
];
const OPEN = STATES.flatMap(({ of }) => of);

/** Return what `session` shows, given its `tickets`, oldest first. */
export function tileOf(session, tickets) {
  const { id, tableNumber, waiterId, openedAt, closedAt } = session;
  const open = tickets.filter(({ status }) => OPEN.includes(status));
  open.sort((a, b) => OPEN.indexOf(a.status) - OPEN.indexOf(b.status));
  const [first] = open;
  const tile = { key: id, tableNumber, waiterId, isClosed: closedAt !== null, open };
  if (!first) return { ...tile, state: "calm", word: "All is well", since: openedAt, patience: NO_HURRY };
  const { of, ...state } = STATES.find(({ of }) => of.includes(first.status));
  // Food gets cold from when it is ready; everything else waits from when it was asked for.
  const since = first.status === "Complete" ? first.updatedAt : first.createdAt;
  return { ...tile, ...state, since };
}

/** Show `tiles` in `list`; `isChosen(id)` and `choose(id, isChosen)` are about the check boxes. */
export function renderPlan(list, tiles, { ages, nameOf, isChosen, choose }) {
  renderList(list, tiles, () => copyOf("tile"), (element, tile) => {
    const box = part(element, "choose");
    const name = nameOf(tile.waiterId);
    element.dataset.state = tile.state;
    box.ariaLabel = `Table ${tile.tableNumber}, ${name}`;
    box.disabled = tile.isClosed; // its guests have gone; what is left stays with its waiter
    box.checked = isChosen(tile.key);
    box.onchange = () => choose(tile.key, box.checked);
    setText(part(element, "number"), String(tile.tableNumber));
    setText(part(element, "who"), name);
    setText(part(element, "state"), tile.isClosed ? "Closed" : tile.word);
    ages.show(part(element, "age"), tile.since, tile.patience);
    renderOpen(part(element, "open"), tile.open);
  });
}

function renderOpen(list, open) {
  const shown = open.slice(0, open.length > MAX_LINES ? MAX_LINES - 1 : MAX_LINES);
  const lines = shown.map((ticket) => ({
    key: ticket.key, what: titleOf(ticket), status: STATUS_LABELS[ticket.status],
  }));
  const more = open.length - shown.length;
  if (more) lines.push({ key: "more", what: `and ${more} more`, status: "" });
  renderList(list, lines, () => copyOf("tile-line"), (line, { what, status }) => {
    setText(part(line, "what"), what);
    setText(part(line, "status"), status);
  });
}
