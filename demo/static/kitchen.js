/** The kitchen's board: orders from New to Ready, oldest first, with what to cook. */

import { KITCHENS_PATIENCE } from "./ages.js";
import { Arrivals } from "./arrivals.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { Screen } from "./screen.js";
import { ticketOf } from "./tickets.js";
import { counted, KITCHEN_MOVES } from "./words.js";

// What a waiter accepts waits in the first column until somebody cooks it.
const COLUMNS = { new: ["New", "Acknowledged"], cooking: ["InProgress"], ready: ["Complete"] };
// The other columns say it all.
const LABELS = { New: "Not accepted yet", Acknowledged: "Accepted" };

export class KitchenScreen extends Screen {
  pagedList = "orders";
  #arrivals;
  #onUnseen;

  /** `onUnseen()` is called when `unseenCount` may have changed. */
  constructor(root, me, log, onUnseen) {
    super(root, me, log);
    this.streamPath = `/sse/kitchen/${me.id}`;
    this.snapshotPath = `/api/venues/${me.id}/kitchen`;
    this.#onUnseen = onUnseen;
    this.#arrivals = new Arrivals(root, {
      bring: (card) => this.focusCard(card),
      onSeen: () => this.render(),
    });
  }

  takeSnapshot({ orders }) {
    this.tickets.replace(orders.map((order) => ticketOf("order", order.tableNumber, order)));
    this.#arrivals.take(this.tickets.all, this.#in("new"));
  }

  #in(column) {
    return this.tickets.all.filter(({ status }) => COLUMNS[column].includes(status));
  }

  render() {
    const waiting = this.#in("new");
    this.#arrivals.forget(waiting);
    this.keepFocus(() => {
      for (const column of Object.keys(COLUMNS)) this.#renderColumn(column);
    });
    this.#arrivals.watch(waiting, (key) => this.cardOf(key));
    const toCook = waiting.length + this.#in("cooking").length;
    setText(part(this.root, "summary"), toCook ? `${counted(toCook, "order")} to cook` : "Nothing to cook");
    this.unseenCount = this.#arrivals.count;
    this.#onUnseen();
  }

  #renderColumn(column) {
    const orders = this.#in(column);
    const movesOf = ({ status }) => KITCHEN_MOVES[status] ?? [];
    this.renderTickets(part(this.root, column), orders, movesOf, (card, ticket) => {
      // The lines say the same, easier to read from the stove.
      part(card, "title").classList.add("for-ears");
      setText(part(card, "status"), LABELS[ticket.status] ?? "");
      card.classList.toggle("unseen", this.#arrivals.isUnseen(ticket));
      this.ages.show(part(card, "age"), ticket.createdAt, KITCHENS_PATIENCE);
      renderLines(part(card, "lines"), ticket.items);
    });
    setText(part(this.root, `${column}-count`), String(orders.length));
  }
}

function renderLines(list, items) {
  const lines = items.map((item, index) => ({ key: String(index), ...item }));
  renderList(list, lines, () => copyOf("order-line"), (line, { name, quantity }) => {
    setText(part(line, "quantity"), `${quantity} ×`);
    setText(part(line, "dish"), name);
  });
}
