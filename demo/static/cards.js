/** Tickets on the screen: a card each, with its moves, and why the last move failed. */

import { copyOf, part, renderList, setText } from "./render.js";
import { isSettling } from "./steady.js";
import { titleOf } from "./words.js";

/**
 * Show `tickets` in `list`. For a ticket, `movesOf` returns the moves as
 * [status, label], `isBusy` whether a move is being sent, `refusalOf` why the last
 * failed, or ""; `move(ticket, status)` is called when a move is pressed, and
 * `update(card, ticket)` draws the rest.
 */
export function renderCards(list, tickets, { movesOf, isBusy, refusalOf, move, update }) {
  renderList(list, tickets, () => copyOf("ticket"), (card, ticket) => {
    card.dataset.status = ticket.status;
    card.dataset.type = ticket.type;
    setText(part(card, "table"), String(ticket.tableNumber));
    setText(part(card, "title"), titleOf(ticket));
    setText(part(card, "note"), ticket.note ?? "");
    renderRefusal(part(card, "refusal"), titleOf(ticket), refusalOf(ticket));
    const moves = movesOf(ticket).filter(([status]) => isAllowed(ticket, status));
    const items = moves.map(([status, label], index) => ({ key: String(index), status, label }));
    renderList(part(card, "moves"), items, createButton, (button, { key, status, label }) => {
      button.className = key === "0" ? "primary" : "quiet";
      button.ariaDisabled = String(isBusy(ticket) || isSettling(button));
      button.ariaLabel = `${label}: ${titleOf(ticket)}, table ${ticket.tableNumber}`;
      button.onclick = () => {
        if (!isSettling(button)) move(ticket, status);
      };
      setText(button, label);
    });
    update(card, ticket);
  });
}

/** After an event, and until the next snapshot, only the usual moves are known. */
const isAllowed = ({ allowed }, status) => allowed?.includes(status) ?? true;

function createButton() {
  const button = document.createElement("button");
  button.type = "button";
  return button;
}

/** The title is for screen readers: sighted people see the card around it. */
function renderRefusal(element, title, sentence) {
  const isNews = element.hidden && sentence;
  element.hidden = !sentence;
  setText(part(element, "about"), sentence && `${title}: `);
  setText(part(element, "why"), sentence);
  if (isNews) element.scrollIntoView({ block: "nearest" });
}
