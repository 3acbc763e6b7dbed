/**
 * One person's screen: a snapshot, a stream that goes on where it ends, and
 * the tickets both tell of. The guest's and the waiters' build on it.
 */

import { connect } from "notifications";
import { Api, Problem } from "./api.js";
import { Phone } from "./phone.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { Tickets } from "./tickets.js";
import { refusalSentence, titleOf } from "./words.js";

const RETRY_SNAPSHOT_MS = 3_000;
const TOAST_MS = 6_000;
// The button under the thumb has just changed its meaning: a double tap must
// not do both. 500 ms is what desktops allow a double click to take.
const DOUBLE_TAP_MS = 500;
const SNAPSHOT_DATA = new Set(["requests", "orders", "sessions", "all"]);
const LINK_LABELS = {
  connecting: "Connecting",
  live: "Live",
  offline: "Offline",
  refused: "Signed out",
};
const NO_CONNECTION = "No connection. Please try again.";

export class Screen {
  tickets = new Tickets();
  phone = new Phone();
  #feed = null;
  #token;
  #log;
  #loading = null;
  #isStale = false;
  #busy = new Set();
  #refusals = new Map();
  #toastTimer;

  /** `me`: {id, token}; `log(type, data, id)` hears every message. */
  constructor(root, me, log) {
    this.root = root;
    this.id = me.id;
    this.api = new Api(me.token);
    this.#token = me.token;
    this.#log = log;
  }

  /** Load the snapshot, and follow the stream from its cursor on. */
  async start() {
    try {
      const { cursor } = await this.#load();
      this.#feed = connect({
        url: this.streamPath,
        getToken: () => this.#token,
        lastEventId: cursor,
        onRaw: this.#log,
        onEvent: (type, data) => this.#hear(type, data),
        onRefresh: (affectedData) => this.refresh(affectedData),
        onState: (state, detail) => this.#showState(state, detail),
        env: { document: this.phone, window: this.phone },
      });
    } catch (error) {
      this.#showState("offline", { reason: error.message });
      setTimeout(() => this.start(), RETRY_SNAPSHOT_MS);
    }
  }

  /** What the server says to load again; figures are the waiters' affair. */
  refresh(affectedData) {
    if (affectedData.some((kind) => SNAPSHOT_DATA.has(kind))) this.reload();
  }

  /** Load the snapshot again; asked for while one is on its way, once more after it. */
  async reload() {
    this.#isStale = true;
    this.#loading ??= (async () => {
      try {
        while (this.#isStale && !this.phone.isAsleep) await this.#load();
      } catch {
        // Still stale: the next "live" tries again.
      } finally {
        this.#loading = null;
      }
    })();
    await this.#loading;
  }

  async #load() {
    this.#isStale = false;
    try {
      const snapshot = await this.api.get(this.snapshotPath);
      this.takeSnapshot(snapshot);
      this.render();
      return snapshot;
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  #hear(type, data) {
    if (type === "session_transfer") {
      this.hearTransfer(data);
    } else {
      if (!this.tickets.apply(data)) this.reload();
      this.hearUpdate(data);
    }
    this.render();
  }

  #showState(state, { code, reason }) {
    const link = part(this.root, "link");
    link.dataset.state = state;
    link.title = reason ?? "";
    setText(link, code === "asleep" ? "Asleep" : LINK_LABELS[state]);
    this.root.dataset.state = state;
    if (state !== "live") return;
    this.becomeLive();
    if (this.#isStale) this.reload();
  }

  /** Show a sentence at the foot of the screen for a moment; screen readers read it. */
  say(sentence) {
    const toast = part(this.root, "toast");
    clearTimeout(this.#toastTimer);
    setText(toast, sentence);
    this.#toastTimer = setTimeout(() => setText(toast, ""), TOAST_MS);
  }

  /** Do what a button asks for; what is refused says why, and is looked at again. */
  async attempt(action) {
    try {
      return await action();
    } catch (error) {
      this.say(sentenceOf(error));
      if (error instanceof Problem) this.reload();
    }
  }

  /** Move a ticket; a refusal is shown on it. */
  async move(ticket, status) {
    if (this.#busy.has(ticket.key)) return;
    this.#busy.add(ticket.key);
    this.#refusals.delete(ticket.key);
    this.render();
    try {
      await this.api.patch(`/api/${ticket.type}s/${ticket.id}`, {
        status,
        expectedVersion: ticket.version,
      });
    } catch (error) {
      this.#refusals.set(ticket.key, sentenceOf(error));
      if (error instanceof Problem) await this.reload();
    }
    this.render();
    setTimeout(() => {
      this.#busy.delete(ticket.key);
      this.render();
    }, DOUBLE_TAP_MS);
  }

  /** Show `tickets` in `list`, each with the `movesOf` it. */
  renderTickets(list, tickets, movesOf, update) {
    renderList(list, tickets, () => copyOf("ticket"), (card, ticket) => {
      card.dataset.status = ticket.status;
      card.dataset.type = ticket.type;
      setText(part(card, "table"), String(ticket.tableNumber));
      setText(part(card, "title"), titleOf(ticket));
      setText(part(card, "lines"), linesOf(ticket));
      this.#renderRefusal(card, ticket);
      this.#renderMoves(card, ticket, movesOf(ticket));
      update(card, ticket);
    });
  }

  #renderRefusal(card, { key }) {
    const refusal = part(card, "refusal");
    const isNews = refusal.hidden && this.#refusals.has(key);
    refusal.hidden = !this.#refusals.has(key);
    setText(refusal, this.#refusals.get(key) ?? "");
    if (isNews) refusal.scrollIntoView({ block: "nearest" });
  }

  #renderMoves(card, ticket, moves) {
    const items = moves.map(([status, label], index) => ({ key: String(index), status, label }));
    const create = () => {
      const button = document.createElement("button");
      button.type = "button";
      return button;
    };
    renderList(part(card, "moves"), items, create, (button, { key, status, label }) => {
      button.className = key === "0" ? "primary" : "quiet";
      button.ariaDisabled = String(this.#busy.has(ticket.key));
      button.ariaLabel = `${label}: ${titleOf(ticket)}, table ${ticket.tableNumber}`;
      button.onclick = () => this.move(ticket, status);
      setText(button, label);
    });
  }
}

function sentenceOf(error) {
  return error instanceof Problem ? refusalSentence(error) : NO_CONNECTION;
}

function linesOf({ items = [], note }) {
  const lines = items.map(({ name, quantity }) => (quantity > 1 ? `${quantity} × ${name}` : name));
  return [...lines, note].filter(Boolean).join(", ");
}
