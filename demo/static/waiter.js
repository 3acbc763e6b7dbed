/** A waiter's phone: what waits at which table, for how long, and what can be done about it. */

import { GUESTS_PATIENCE } from "./ages.js";
import { Arrivals } from "./arrivals.js";
import { Handover } from "./handover.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { Screen } from "./screen.js";
import { ticketsOf } from "./tickets.js";
import { counted, formatAge, sentenceOf, STATUS_LABELS, tablesOf, WAITER_MOVES } from "./words.js";

// The tables of one handover arrive together; those of two do not. A guess.
const HANDOVER_MS = 500;
const FINISHED = new Set(["Completed", "Delivered"]);
const GONE = new Set(["Done", "Cancelled", "Paid", "Rejected"]);

export class WaiterScreen extends Screen {
  pagedList = "sessions";
  #arrivals;
  #handover;
  #colleague;
  #onUnseen;
  #tables = [];
  #firstFigures = null;
  #arrived = []; // tables of the newest handover to this waiter
  #arrivedAt = 0;

  /** `onUnseen()` is called when `unseenCount` may have changed. */
  constructor(root, me, log, onUnseen) {
    super(root, me, log);
    this.streamPath = `/sse/waiter/${me.id}`;
    this.snapshotPath = `/api/waiters/${me.id}/floor`;
    this.#colleague = me.colleague;
    this.#onUnseen = onUnseen;
    this.#handover = new Handover(root, () => this.render());
    this.#arrivals = new Arrivals(root, {
      bring: (card) => this.focusCard(card),
      onSeen: () => this.render(),
    });
    part(root, "transfer").onclick = () => {
      if (this.#canHandOver && !this.isBusy("transfer")) this.#beginHandover();
    };
    part(root, "sleep").onclick = () => this.#toggleSleep();
  }

  takeSnapshot({ sessions }) {
    this.#tables = sessions.map(({ tableNumber }) => tableNumber);
    this.tickets.replace(sessions.flatMap(ticketsOf));
    this.#arrivals.take(this.tickets.all, this.#waiting);
    this.#firstFigures ??= this.#loadFigures();
  }

  refresh(affectedData) {
    super.refresh(affectedData);
    if (affectedData.includes("analytics") || affectedData.includes("all")) this.#loadFigures();
  }

  hearOther(type, { sessionId, tableNumber, waiterId }) {
    if (type !== "session_transfer") {
      this.reload();
    } else if (waiterId === this.id) {
      this.#welcome(tableNumber);
      this.reload();
    } else {
      this.#tables = this.#tables.filter((table) => table !== tableNumber);
      this.tickets.dropSession(sessionId);
    }
  }

  #welcome(tableNumber) {
    if (Date.now() - this.#arrivedAt > HANDOVER_MS) this.#arrived = [];
    this.#arrivedAt = Date.now();
    this.#arrived.push(tableNumber);
    const verb = this.#arrived.length === 1 ? "is" : "are";
    this.say(`${tablesOf(this.#arrived)} ${verb} yours now`);
  }

  async #loadFigures() {
    let figures;
    try {
      ({ document: figures } = await this.api.get(`/api/waiters/${this.id}/analytics`));
    } catch {
      return; // they can wait for the next change
    }
    const { requests, orders } = figures;
    const count = requests.total + orders.total;
    const seconds = requests.averageSecondsToAcknowledge;
    const pace = seconds === null ? "" : `, seen after ${formatAge(seconds)} on average`;
    setText(part(this.root, "figures"), count ? `${counted(count, "call")} so far${pace}` : "");
  }

  get #waiting() {
    return this.tickets.all.filter(({ status }) => !FINISHED.has(status) && !GONE.has(status));
  }

  get #canHandOver() {
    return this.#tables.length > 0 && !this.phone.isAsleep && !this.#handover.isPending;
  }

  #beginHandover() {
    const verb = this.#tables.length === 1 ? "goes" : "go";
    const what = `${tablesOf(this.#tables)} ${verb} to ${this.#colleague.name}.`;
    const explain = (error) => this.say(`Nothing was handed over. ${sentenceOf(error)}`);
    this.#handover.begin(what, () => this.attempt("transfer", () => this.#handOver(), explain));
  }

  async #handOver() {
    const { id, name } = this.#colleague;
    const path = `/api/waiters/${this.id}/transfers`;
    const wish = { toWaiterId: id, cause: "shift_change" };
    const { document: transfer } = await this.api.post(path, wish);
    this.say(`${counted(transfer.moved.length, "table")} handed to ${name}`);
    await this.reload();
  }

  #toggleSleep() {
    const isAsleep = !this.phone.isAsleep;
    if (isAsleep) this.phone.sleep();
    else this.phone.wake();
    setText(part(this.root, "sleep"), isAsleep ? "Wake the phone" : "Put phone to sleep");
    part(this.root, "dark").hidden = !isAsleep;
    for (const name of ["bar", "scroll"]) this.root.querySelector(`.${name}`).inert = isAsleep;
    // The bar is gone and can no longer be read out.
    setText(part(this.root, "news"), isAsleep ? "The phone is asleep" : "The phone is awake");
    this.render();
  }

  render() {
    const waiting = this.#waiting;
    const finished = this.tickets.all.filter(({ status }) => FINISHED.has(status));
    finished.sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
    this.#arrivals.forget(waiting);
    this.keepFocus(() => {
      part(this.root, "finished").hidden = finished.length === 0;
      this.#renderGroups(waiting);
      this.#renderCards(part(this.root, "done"), finished);
    });
    this.#renderHead(waiting);
    this.#arrivals.watch(waiting, (key) => this.cardOf(key));
    this.unseenCount = this.#arrivals.count;
    this.#onUnseen();
  }

  /** A waiter goes to a table, not to a ticket: the table that has waited longest comes first. */
  #renderGroups(waiting) {
    const byTable = Map.groupBy(waiting, ({ tableNumber }) => tableNumber);
    const groups = [...byTable].map(([table, tickets]) => ({ key: String(table), tickets }));
    renderList(part(this.root, "groups"), groups, () => copyOf("group"), (group, { key, tickets }) => {
      setText(part(group, "name"), `Table ${key}`);
      part(group, "tickets").ariaLabel = `Table ${key}`;
      this.#renderCards(part(group, "tickets"), tickets);
    });
  }

  #renderCards(list, tickets) {
    const movesOf = ({ type, status }) => WAITER_MOVES[type][status] ?? [];
    const update = (card, ticket) => {
      setText(part(card, "status"), STATUS_LABELS[ticket.status]);
      card.classList.toggle("unseen", this.#arrivals.isUnseen(ticket));
      this.ages.show(part(card, "age"), ticket.createdAt, GUESTS_PATIENCE);
    };
    this.renderTickets(list, tickets, movesOf, update);
  }

  #renderHead(waiting) {
    const tables = this.#tables;
    setText(part(this.root, "tables"), tables.length ? tablesOf(tables) : "No tables");
    part(this.root, "transfer").ariaDisabled = String(!this.#canHandOver || this.isBusy("transfer"));
    const empty = part(this.root, "empty");
    empty.hidden = waiting.length > 0;
    setText(empty, tables.length ? "No guest is waiting." : "No tables. Enjoy the break.");
  }
}
