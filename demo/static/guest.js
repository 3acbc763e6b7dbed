/** The guest's phone: ask for something, order, and see what becomes of it. */

import { copyOf, part, renderList, setText } from "./render.js";
import { Screen } from "./screen.js";
import { Tickets } from "./tickets.js";
import { GUEST_MOVES, guestSentence, STAGES, STATUS_LABELS } from "./words.js";

const DISHES = ["Margherita", "Green salad", "Lemonade"];
const NAMES = { anna: "Anna", ben: "Ben" };
// A guest wants to see what is coming, not all that ever came.
const MAX_SETTLED = 2;
const SETTLED = new Set(["Done", "Cancelled", "Paid", "Rejected"]);

export class GuestScreen extends Screen {
  #waiter = "your waiter";
  #counts = new Map(DISHES.map((dish) => [dish, 0]));

  constructor(root, me, log) {
    super(root, me, log);
    this.streamPath = `/sse/session/${me.id}`;
    this.snapshotPath = `/api/sessions/${me.id}`;
    for (const button of root.querySelectorAll("[data-kind]")) {
      button.onclick = () => this.attempt(() => this.#call(button.dataset.kind));
    }
    part(root, "menu").onsubmit = (event) => {
      event.preventDefault();
      this.attempt(() => this.#order());
    };
    this.#renderMenu();
  }

  takeSnapshot(snapshot) {
    this.#greet(snapshot.waiterId);
    this.tickets.replace(Tickets.of(snapshot));
  }

  becomeLive() {}

  hearUpdate({ message }) {
    this.say(message);
  }

  hearTransfer({ waiterId, message }) {
    this.#greet(waiterId);
    this.say(message);
  }

  #greet(waiterId) {
    this.#waiter = NAMES[waiterId] ?? waiterId;
  }

  async #call(kind) {
    await this.api.post(`/api/sessions/${this.id}/requests`, { kind });
    await this.reload();
  }

  async #order() {
    const chosen = [...this.#counts].filter(([, quantity]) => quantity > 0);
    const items = chosen.map(([name, quantity]) => ({ name, quantity }));
    await this.api.post(`/api/sessions/${this.id}/orders`, { items });
    for (const dish of this.#counts.keys()) this.#counts.set(dish, 0);
    this.#renderMenu();
    const menu = this.root.querySelector(".menu");
    menu.open = false;
    menu.querySelector("summary").focus();
    await this.reload();
  }

  #choose(dish, change) {
    this.#counts.set(dish, Math.min(9, Math.max(0, this.#counts.get(dish) + change)));
    this.#renderMenu();
  }

  #renderMenu() {
    const menu = part(this.root, "menu");
    const dishes = [...this.#counts].map(([key, count]) => ({ key, count }));
    renderList(menu.querySelector("ul"), dishes, () => copyOf("dish"), (row, { key, count }) => {
      setText(part(row, "name"), key);
      setText(part(row, "count"), String(count));
      for (const [name, verb, change] of [["less", "One less", -1], ["more", "One more", +1]]) {
        part(row, name).ariaLabel = `${verb}: ${key}`;
        part(row, name).onclick = () => this.#choose(key, change);
      }
    });
    const total = dishes.reduce((sum, { count }) => sum + count, 0);
    const submit = menu.querySelector("[type=submit]");
    submit.disabled = total === 0;
    const items = total === 1 ? "1 item" : `${total} items`;
    setText(submit, total ? `Order ${items}` : "Choose something");
  }

  render() {
    setText(part(this.root, "waiter"), `${this.#waiter} is looking after you`);
    const newestFirst = this.tickets.all.reverse();
    const settled = newestFirst.filter(({ status }) => SETTLED.has(status));
    const hidden = new Set(settled.slice(MAX_SETTLED));
    const shown = newestFirst.filter((ticket) => !hidden.has(ticket));
    const movesOf = ({ type, status }) => GUEST_MOVES[type][status] ?? [];
    this.renderTickets(part(this.root, "tickets"), shown, movesOf, (card, ticket) => {
      setText(part(card, "status"), guestSentence(ticket, this.#waiter));
      renderStages(part(card, "steps"), ticket);
    });
    part(this.root, "empty").hidden = shown.length > 0;
  }
}

/** A bar of stages; on a side track (on hold, cancelled) it is not shown. */
function renderStages(bar, { type, status }) {
  const stages = STAGES[type];
  const reached = stages.indexOf(status);
  bar.hidden = reached < 0;
  bar.role = "img";
  bar.ariaLabel = `Stage ${reached + 1} of ${stages.length}: ${STATUS_LABELS[status]}`;
  const items = stages.map((key, index) => ({ key, isReached: index <= reached }));
  renderList(bar, items, () => document.createElement("i"), (stage, { isReached }) => {
    stage.className = isReached ? "reached" : "";
  });
}
