/** A waiter's phone: what waits at which table, for how long, and what can be done about it. */

import { Chime } from "./chime.js";
import { Handover } from "./handover.js";
import { OutOfSight } from "./out-of-sight.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { Screen } from "./screen.js";
import { ticketsOf } from "./tickets.js";
import { counted, formatAge, sentenceOf, STATUS_LABELS, titleOf, WAITER_MOVES } from "./words.js";

// Guests look round for the waiter after two minutes, and are cross after five. A guess.
const LATE_SECONDS = 120;
const TOO_LATE_SECONDS = 300;
// The tables of one handover arrive together; those of two do not. A guess.
const HANDOVER_MS = 500;
const FINISHED = new Set(["Completed", "Delivered"]);
const GONE = new Set(["Done", "Cancelled", "Paid", "Rejected"]);

export class FloorScreen extends Screen {
  #chime = new Chime();
  #handover;
  #outOfSight;
  #colleague;
  #onUnseen;
  #tables = [];
  #known = null; // keys of the tickets of the last snapshot; null before the first
  #unseen = new Set();
  #clockAheadMs = 0;
  #arrived = []; // tables of the newest handover to this waiter
  #arrivedAt = 0;

  /** `colleague` is {id, name}; `onUnseen()` is called when `unseenCount` may have changed. */
  constructor(root, me, log, { colleague, onUnseen }) {
    super(root, me, log);
    this.streamPath = `/sse/waiter/${me.id}`;
    this.snapshotPath = `/api/waiters/${me.id}/floor`;
    this.#colleague = colleague;
    this.#onUnseen = onUnseen;
    this.#handover = new Handover(root, () => this.render());
    this.#outOfSight = new OutOfSight(part(root, "below"), (card) => this.focusCard(card));
    part(root, "sound").onclick = () => this.#toggleSound();
    part(root, "transfer").onclick = () => {
      if (this.#canHandOver && !this.isBusy("transfer")) this.#beginHandover();
    };
    part(root, "sleep").onclick = () => this.#toggleSleep();
    for (const type of ["pointerdown", "focusin"]) {
      root.addEventListener(type, ({ target }) => this.#see(target.closest(".ticket")));
    }
    setInterval(() => this.#renderAges(), 1_000);
  }

  get unseenCount() {
    return this.#unseen.size;
  }

  /** A very full floor has more pages; a page may end within a table. */
  async complete(snapshot) {
    let { next } = snapshot;
    while (next) {
      const path = `${this.snapshotPath}?cursor=${next}`;
      const { document: page } = await this.api.get(path);
      snapshot.sessions.push(...page.sessions);
      ({ next } = page);
    }
  }

  takeSnapshot({ sessions, takenAt }) {
    // Ages by the server's clock: a tablet's may be minutes off.
    this.#clockAheadMs = Date.now() - Date.parse(takenAt);
    this.#tables = sessions.map(({ tableNumber }) => tableNumber);
    this.tickets.replace(sessions.flatMap(ticketsOf));
    if (this.#known === null) this.#loadFigures();
    const isFresh = ({ key }) => this.#known !== null && !this.#known.has(key);
    const fresh = this.#waiting.filter(isFresh);
    // Include finished tickets: one that is taken back is not a new call.
    this.#known = new Set(this.tickets.all.map(({ key }) => key));
    if (fresh.length === 0) return;
    for (const { key } of fresh) this.#unseen.add(key);
    const news = fresh.map((ticket) => `${titleOf(ticket)} at table ${ticket.tableNumber}`);
    setText(part(this.root, "news"), `New: ${news.join("; ")}`);
    this.#chime.ring();
  }

  refresh(affectedData) {
    super.refresh(affectedData);
    if (affectedData.includes("analytics") || affectedData.includes("all")) this.#loadFigures();
  }

  hearTransfer({ sessionId, tableNumber, waiterId }) {
    if (waiterId === this.id) {
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
    this.say(`${namesOf(this.#arrived)} ${verb} yours now`);
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
    const what = `${namesOf(this.#tables)} ${verb} to ${this.#colleague.name}.`;
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

  #toggleSound() {
    if (this.#chime.isOn) this.#chime.disable();
    else this.#chime.enable();
    part(this.root, "sound").ariaChecked = String(this.#chime.isOn);
    setText(part(this.root, "sound-word"), this.#chime.isOn ? "Sound on" : "Sound off");
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

  #see(card) {
    if (card && this.#unseen.delete(card.dataset.key)) this.render();
  }

  render() {
    const { activeElement } = document;
    const focused = this.root.contains(activeElement) && activeElement.closest(".ticket");
    const waiting = this.#waiting;
    const finished = this.tickets.all.filter(({ status }) => FINISHED.has(status));
    finished.sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
    this.#renderGroups(waiting);
    this.#renderCards(part(this.root, "done"), finished);
    this.#renderHead(waiting);
    part(this.root, "finished").hidden = finished.length === 0;
    this.#renderAges();
    this.#outOfSight.watch(this.#newCards(waiting));
    if (focused) this.#keepFocus(focused.dataset.key);
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

  #newCards(waiting) {
    const fresh = waiting.filter(({ key }) => this.#unseen.has(key));
    return new Map(
      fresh.map((ticket) => [
        this.#cardOf(ticket.key), `${titleOf(ticket)}, table ${ticket.tableNumber}`,
      ]),
    );
  }

  #cardOf(key) {
    return this.root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  #renderCards(list, tickets) {
    const movesOf = ({ type, status }) => WAITER_MOVES[type][status] ?? [];
    const update = (card, { key, status, createdAt }) => {
      setText(part(card, "status"), STATUS_LABELS[status]);
      card.classList.toggle("unseen", this.#unseen.has(key));
      card.dataset.createdAt = createdAt;
    };
    this.renderTickets(list, tickets, movesOf, update);
  }

  #renderHead(waiting) {
    const keys = new Set(waiting.map(({ key }) => key));
    for (const key of this.#unseen) if (!keys.has(key)) this.#unseen.delete(key);
    const badge = part(this.root, "badge");
    badge.hidden = this.#unseen.size === 0;
    setText(part(badge, "unseen"), String(this.#unseen.size));
    this.#onUnseen();

    const tables = this.#tables;
    setText(part(this.root, "tables"), tables.length ? namesOf(tables) : "No tables");
    part(this.root, "transfer").ariaDisabled = String(!this.#canHandOver || this.isBusy("transfer"));
    const empty = part(this.root, "empty");
    empty.hidden = waiting.length > 0;
    setText(empty, tables.length ? "No guest is waiting." : "No tables. Enjoy the break.");
  }

  #renderAges() {
    const now = Date.now() - this.#clockAheadMs;
    for (const card of part(this.root, "groups").querySelectorAll(".ticket")) {
      const seconds = (now - Date.parse(card.dataset.createdAt)) / 1_000;
      const age = part(card, "age");
      setText(age, formatAge(seconds));
      const isLate = seconds >= LATE_SECONDS ? "yes" : "no";
      age.dataset.late = seconds >= TOO_LATE_SECONDS ? "very" : isLate;
    }
  }

  /** A card that moved to the other list took the focus along; bring it back. */
  #keepFocus(key) {
    if (document.activeElement !== document.body) return;
    this.focusCard(this.#cardOf(key) ?? this.root);
  }
}

const namesOf = (tables) => `${tables.length === 1 ? "Table" : "Tables"} ${tables.join(", ")}`;
