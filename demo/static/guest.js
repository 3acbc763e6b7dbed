/** The guest's phone: ask for something, order, and follow what happens to it. */

import { newKey } from "./api.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { Screen } from "./screen.js";
import { ticketOf, ticketsOf } from "./tickets.js";
import { Unsent } from "./unsent.js";
import {
  counted, GUEST_MOVES, guestSentence, KINDS, sentenceOf, STAGES, STATUS_LABELS, titleOf,
} from "./words.js";

const DISHES = ["Margherita", "Green salad", "Lemonade"];
const NAMES = { anna: "Anna", ben: "Ben" };
// A guest wants to see current tickets, not everything ever ordered.
const MAX_SETTLED = 2;
const SETTLED = new Set(["Done", "Cancelled", "Paid", "Rejected"]);

export class GuestScreen extends Screen {
  asleepWord = "Paused";
  #tableNumber;
  #waiter = "your waiter";
  #counts = new Map(DISHES.map((dish) => [dish, 0]));
  #unsent;
  #orderKey = null; // of the chosen dishes, once the guest has tried to order them

  constructor(root, me, log) {
    super(root, me, log);
    this.streamPath = `/sse/session/${me.id}`;
    this.snapshotPath = `/api/sessions/${me.id}`;
    for (const button of this.#calls) {
      const { kind } = button.dataset;
      button.onclick = () => this.#send(kind, KINDS[kind], () => this.#call(kind));
    }
    this.#unsent = new Unsent(part(root, "unsent"), {
      isBusy: (key) => this.isBusy(key),
      takeFocus: () => this.#calls[0].focus(),
    });
    part(root, "menu").onsubmit = (event) => {
      event.preventDefault();
      this.#send("order", "Your order", () => this.#order());
    };
    part(root, "pause").onclick = () => this.#togglePause();
    this.#renderMenu();
  }

  get #calls() {
    return this.root.querySelectorAll("[data-kind]");
  }

  takeSnapshot(snapshot) {
    this.#tableNumber = snapshot.tableNumber;
    this.#greet(snapshot.waiterId);
    this.tickets.replace(ticketsOf(snapshot));
    // Only the answer was lost; the call arrived.
    for (const { kind, status } of this.tickets.all) {
      if (!SETTLED.has(status)) this.#unsent.forget(kind);
    }
  }

  hearUpdate({ requestId, orderId, message }) {
    const ticket = this.tickets.all.find(({ id }) => id === (requestId ?? orderId));
    this.say(ticket ? `${titleOf(ticket)}: ${message}` : message);
  }

  hearOther(type, { waiterId, message }) {
    if (type !== "session_transfer") return;
    this.#greet(waiterId);
    this.say(message);
  }

  #greet(waiterId) {
    this.#waiter = NAMES[waiterId] ?? waiterId;
  }

  /** What could not be sent stays on the screen until it is sent or dismissed. */
  #send(key, title, action) {
    const again = () => this.#send(key, title, action);
    return this.attempt(
      key,
      async () => {
        this.#unsent.wait(key);
        await action();
        this.#unsent.forget(key);
      },
      (error) => this.#unsent.add(key, title, sentenceOf(error), again),
    );
  }

  async #call(kind) {
    const path = `/api/sessions/${this.id}/requests`;
    const { status, document: request } = await this.api.post(path, { kind });
    this.tickets.add(ticketOf("request", this.#tableNumber, request));
    if (status === 200) this.say(`${KINDS[kind]}: ${this.#waiter} already knows.`); // it was open before
  }

  async #order() {
    const chosen = [...this.#counts].filter(([, quantity]) => quantity > 0);
    const items = chosen.map(([name, quantity]) => ({ name, quantity }));
    // If only the answer was lost, the order may have been placed.
    this.#orderKey ??= newKey();
    const path = `/api/sessions/${this.id}/orders`;
    const { document: order } = await this.api.post(path, { items }, this.#orderKey);
    this.tickets.add(ticketOf("order", this.#tableNumber, order));
    for (const dish of this.#counts.keys()) this.#counts.set(dish, 0);
    this.#renderMenu();
    const menu = this.root.querySelector(".menu");
    menu.open = false;
    menu.querySelector("summary").focus();
  }

  /** Let the screen fall behind. A move that it offers may be too late; the answer says so. */
  #togglePause() {
    const isPaused = !this.phone.isAsleep;
    setText(part(this.root, "pause"), isPaused ? "Resume live updates" : "Pause live updates");
    this.say(isPaused ? "Paused. What you see here may be out of date." : "");
    if (isPaused) this.phone.sleep();
    else this.phone.wake();
  }

  #choose(dish, change) {
    this.#orderKey = null; // another choice is another order
    this.#unsent.forget("order");
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
    setText(submit, total ? `Order ${counted(total, "item")}` : "Choose something");
  }

  render() {
    this.#unsent.render();
    for (const call of this.#calls) call.ariaDisabled = String(this.isBusy(call.dataset.kind));
    this.root.querySelector("[type=submit]").ariaDisabled = String(this.isBusy("order"));
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

/** A bar of stages. It is hidden for the statuses outside them (on hold, cancelled). */
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
