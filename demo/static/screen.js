/**
 * One screen: a snapshot, a stream that continues where the snapshot ends, and the
 * tickets of both. Those of guests, waiters, managers and the kitchen build on it.
 */

import { connect } from "notifications";
import { Ages } from "./ages.js";
import { Api, located, Problem } from "./api.js";
import { renderCards } from "./cards.js";
import { CatchUp } from "./catch-up.js";
import { Phone } from "./phone.js";
import { Refusals } from "./refusals.js";
import { part, setText } from "./render.js";
import { Retry } from "./retry.js";
import { Steady } from "./steady.js";
import { Tickets } from "./tickets.js";
import { counted, endSentence, LINK_WORDS, sentenceOf } from "./words.js";

// Between two attempts to load the first snapshot; doubled with each, up to the longest,
// and spread, so that many screens do not ask at the same time.
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;
const TOAST_MS = 6_000;
// The button under the thumb has just changed its meaning, and a double tap must
// not press both. Desktops allow 500 ms for a double click.
const DOUBLE_TAP_MS = 500;
const UNREACHABLE = "The service cannot be reached.";
const LOST_WORDS = { connecting: "lost", offline: "offline", refused: "ended", live: "back" };
const SNAPSHOT_DATA = new Set(["requests", "orders", "sessions", "all"]);

export class Screen {
  tickets = new Tickets();
  phone = new Phone();
  ages = new Ages();
  /** New tickets that nobody has touched. */
  unseenCount = 0;
  /** The snapshot's list that may go on in further pages, all of which are needed. */
  pagedList = null;
  asleepWord = "Asleep";
  #feed = null;
  #token;
  #joinCode;
  #log;
  #loading = null;
  #isStale = false;
  #startsOver = false;
  #busy = new Set();
  #refusals = new Refusals();
  #catchUp = new CatchUp();
  #toastTimer;
  #startTimer;
  #loggedState = null;
  #retry;

  /**
   * `me`: {id, token}, or {id, joinCode} of a guest without a token yet; the code is
   * null if guests cannot join. `log(type, data, id)` gets every message.
   */
  constructor(root, me, log) {
    this.root = root;
    this.id = me.id;
    this.api = new Api(me.token);
    this.#token = me.token;
    this.#joinCode = me.joinCode;
    this.#log = log;
    this.#retry = new Retry(root, () => this.#tryNow());
    this.steady = new Steady(root, () => this.render());
    // The page comes with fresh tokens.
    part(root, "again").onclick = () => location.reload();
  }

  /** Load the snapshot, and follow the stream from its cursor. */
  async start(failures = 0) {
    clearTimeout(this.#startTimer);
    if (this.#joinCode === null) return this.#showState("refused", { code: "session_closed" });
    try {
      await this.#signIn();
      const { cursor } = await this.#load();
      this.#feed = connect({
        url: located(this.streamPath),
        getToken: () => this.#token,
        lastEventId: cursor,
        onRaw: this.#log,
        onEvent: (type, data) => this.#hear(type, data),
        onRefresh: (affectedData) => this.refresh(affectedData),
        onState: (state, detail) => this.#showState(state, detail),
        env: { document: this.phone, window: this.phone },
      });
    } catch (error) {
      if (error.isFinal) return this.#showState("refused", { reason: error.message });
      const spreadMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
      const retryInMs = (spreadMs * (1 + Math.random())) / 2;
      this.#startTimer = setTimeout(() => this.start(failures + 1), retryInMs);
      this.#showState("offline", { reason: UNREACHABLE, retryInMs, code: "unreachable" });
    }
  }

  /** Called when a button is pressed. */
  #tryNow() {
    this.#retry.try();
    if (this.#feed) this.#feed.reconnect();
    else this.start();
  }

  /** Exchange the join code for a token; only once, because each exchange is another guest. */
  async #signIn() {
    if (this.#token) return;
    const { document: joined } = await this.api.post("/api/join", { code: this.#joinCode });
    this.#token = joined.token;
    this.api = new Api(joined.token);
  }

  /** Load again what the server names. Figures are only for waiters. */
  refresh(affectedData) {
    this.#startsOver ||= affectedData.includes("all");
    if (affectedData.some((kind) => SNAPSHOT_DATA.has(kind))) this.reload();
  }

  /** Load the snapshot again. If one is being loaded, load once more after it. */
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
    // Not earlier: a snapshot that was being loaded may still have data from before the loss.
    if (this.#startsOver) this.tickets.forgetVersions();
    this.#startsOver = false;
    try {
      const { document: snapshot } = await this.api.get(this.snapshotPath);
      await this.#loadRest(snapshot);
      await this.complete(snapshot);
      this.ages.setClock(snapshot.takenAt);
      this.takeSnapshot(snapshot);
      this.render();
      return snapshot;
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  async #loadRest(snapshot) {
    let { next } = snapshot;
    while (this.pagedList && next) {
      const path = `${this.snapshotPath}?cursor=${next}`;
      const { document: page } = await this.api.get(path);
      snapshot[this.pagedList].push(...page[this.pagedList]);
      ({ next } = page);
    }
  }

  /** A subclass may need more than the snapshot. */
  async complete() {}

  #hear(type, data) {
    if (!data.requestId && !data.orderId) {
      this.hearOther(type, data);
    } else if (this.tickets.apply(data)) {
      this.hearUpdate(data);
    } else {
      // Until then it is not known what the update is about.
      this.reload().then(() => this.hearUpdate(data));
    }
    const caughtUp = this.#catchUp.add();
    if (caughtUp) this.say(`Caught up on ${counted(caughtUp, "update")}`);
    this.render();
  }

  /** A subclass may say more about an update than its ticket shows. */
  hearUpdate() {}

  /** Hear of something else than a ticket: a table, a shift, a handover. */
  hearOther() {
    this.reload();
  }

  #showState(state, { code, reason, retryInMs }) {
    this.#logState(state, code, reason);
    const link = part(this.root, "link");
    link.dataset.state = this.root.dataset.state = state;
    setText(link, code === "asleep" ? this.asleepWord : LINK_WORDS[code] ?? LINK_WORDS[state]);
    part(this.root, "notice").hidden = state !== "refused";
    setText(part(this.root, "reason"), state === "refused" ? endSentence(code, reason) : "");
    part(this.root, "again").hidden = code === "session_closed"; // for good
    if (state === "offline" && code !== "asleep") this.#retry.show(reason, retryInMs);
    else if (state === "connecting") this.#retry.try();
    else this.#retry.hide();
    if (state !== "live") return;
    this.#catchUp.begin();
    this.#refusals.forgetLost();
    this.render();
    if (this.#isStale) this.reload();
  }

  /** The server cannot report a lost connection, so this page logs its beginning and end. */
  #logState(state, code, reason) {
    if (state === this.#loggedState || (state === "connecting" && !code)) return;
    const word = code === "asleep" ? "paused" : LOST_WORDS[state];
    const isFirst = state === "live" && !this.#loggedState;
    if (!isFirst) this.#log(word, { reason, code });
    this.#loggedState = state;
  }

  /** Show a sentence at the foot of the screen for a moment; screen readers read it out. */
  say(sentence) {
    const toast = part(this.root, "toast");
    clearTimeout(this.#toastTimer);
    setText(toast, sentence);
    this.#toastTimer = setTimeout(() => setText(toast, ""), TOAST_MS);
  }

  /**
   * Do what a button asks for, once however often it is tapped. `key` identifies the
   * button; `explain(error)` says why it failed.
   */
  async attempt(key, action, explain = (error) => this.say(sentenceOf(error))) {
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    try {
      const doing = action();
      this.render();
      await doing;
      this.#comeBack();
    } catch (error) {
      explain(error);
      if (error instanceof Problem) await this.reload();
    }
    this.render();
    setTimeout(() => {
      this.#busy.delete(key);
      this.render();
    }, DOUBLE_TAP_MS);
  }

  isBusy(key) {
    return this.#busy.has(key);
  }

  /** The server has answered: do not wait until the stream's next attempt is due. */
  #comeBack() {
    if (this.#feed?.state === "offline" && !this.phone.isAsleep) this.#feed.reconnect();
  }

  /** Move a ticket. A refusal is shown on it, and updates it. */
  move(ticket, status) {
    const { key, type, id, version: expectedVersion } = ticket;
    const patch = async () => {
      this.#refusals.forget(ticket);
      const path = `/api/${type}s/${id}`;
      const { document: moved } = await this.api.patch(path, { status, expectedVersion });
      this.tickets.update(key, moved);
    };
    return this.attempt(key, patch, (error) => {
      this.#refusals.add(ticket, error);
      const { currentStatus, version, allowed } = error.document ?? {};
      if (currentStatus) this.tickets.update(key, { status: currentStatus, version, allowed });
    });
  }

  /** Move the focus to a card. Its button waits a moment, so that a second press does nothing. */
  focusCard(card) {
    const button = card?.querySelector(".moves button");
    if (!button) return;
    this.steady.hold(button);
    button.focus();
  }

  cardOf(key) {
    return this.root.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  /** Call `draw()`. If that moves the card with the focus to another list, the focus follows. */
  keepFocus(draw) {
    const { activeElement } = document;
    const focused = this.root.contains(activeElement) && activeElement.closest(".ticket");
    draw();
    if (!focused || document.activeElement !== document.body) return;
    this.focusCard(this.cardOf(focused.dataset.key) ?? this.root);
  }

  /** Show `tickets` in `list`, each with its `movesOf`; `update(card, ticket)` draws the rest. */
  renderTickets(list, tickets, movesOf, update) {
    renderCards(list, tickets, {
      movesOf,
      isBusy: ({ key }) => this.#busy.has(key),
      refusalOf: (ticket) => this.#refusals.of(ticket),
      move: (ticket, status) => this.move(ticket, status),
      update,
    });
  }
}
