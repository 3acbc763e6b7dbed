/** The manager's floor: every table of a venue, who has what, and handing tables over. */

import { renderPlan, tileOf } from "./plan.js";
import { copyOf, part, renderList, setText } from "./render.js";
import { Screen } from "./screen.js";
import { ticketsOf } from "./tickets.js";
import { counted, sentenceOf, tablesOf } from "./words.js";

// How many screens a waiter has open changes without an event. A guess.
const PRESENCE_MS = 10_000;

export class FloorScreen extends Screen {
  pagedList = "sessions";
  #sessions = [];
  #waiters = new Map(); // by id
  #isStaffKnown = false;
  #chosen = new Set(); // ids of sessions

  constructor(root, me, log) {
    super(root, me, log);
    this.streamPath = `/sse/floor/${me.id}`;
    this.snapshotPath = `/api/venues/${me.id}/floor`;
    part(root, "choose-none").onclick = () => this.#chooseNone();
    setInterval(() => this.root.dataset.state === "live" && this.reload(), PRESENCE_MS);
  }

  /** A floor tells who works now. Tables can also be given to those who have none yet. */
  async complete() {
    let next = this.#isStaffKnown ? null : "";
    while (next !== null) {
      const path = `/api/waiters?limit=100${next && `&cursor=${next}`}`;
      const { document: page } = await this.api.get(path);
      const ours = page.waiters.filter(({ venueId }) => venueId === this.id);
      for (const waiter of ours) this.#waiters.set(waiter.id, { ...waiter, streams: 0 });
      ({ next } = page);
    }
    this.#isStaffKnown = true;
  }

  takeSnapshot({ sessions, waiters }) {
    // A table may go on in the snapshot's next page.
    const byId = new Map(sessions.map((session) => [session.id, session]));
    this.#sessions = [...byId.values()].sort((a, b) => a.tableNumber - b.tableNumber);
    this.tickets.replace(sessions.flatMap(ticketsOf));
    for (const [id, waiter] of this.#waiters) this.#waiters.set(id, { ...waiter, streams: 0 });
    for (const waiter of waiters) this.#waiters.set(waiter.id, waiter);
    for (const id of this.#chosen) if (!byId.has(id)) this.#chosen.delete(id);
  }

  hearOther(type) {
    if (type === "shift_update") this.#isStaffKnown = false;
    this.reload();
  }

  refresh(affectedData) {
    if (affectedData.includes("all")) this.#isStaffKnown = false;
    super.refresh(affectedData);
  }

  render() {
    const bySession = Map.groupBy(this.tickets.all, ({ sessionId }) => sessionId);
    const tiles = this.#sessions.map((session) => tileOf(session, bySession.get(session.id) ?? []));
    renderPlan(part(this.root, "plan"), tiles, {
      ages: this.ages,
      nameOf: (id) => this.#waiters.get(id)?.name ?? id,
      isChosen: (id) => this.#chosen.has(id),
      choose: (id, isChosen) => this.#choose(id, isChosen),
    });
    part(this.root, "empty").hidden = tiles.length > 0;
    const waiting = tiles.filter(({ state }) => state === "waiting").length;
    const calls = waiting ? `, ${waiting} waiting` : "";
    setText(part(this.root, "summary"), `${counted(tiles.length, "table")}${calls}`);
    this.#renderRoster(tiles);
    this.#renderTakers(tiles);
  }

  #renderRoster(tiles) {
    const rows = [...this.#waiters.values()].map((waiter) => ({ key: waiter.id, ...waiter }));
    renderList(part(this.root, "roster"), rows, () => copyOf("waiter"), (row, waiter) => {
      const tables = tiles.filter(({ waiterId }) => waiterId === waiter.id);
      const numbers = tables.map(({ tableNumber }) => tableNumber);
      const live = waiter.streams ? `${counted(waiter.streams, "screen")} live` : "No live screen";
      setText(part(row, "name"), waiter.name);
      setText(part(row, "tables"), numbers.length ? tablesOf(numbers) : "No tables");
      setText(part(row, "presence"), this.#mayServe(waiter) ? live : "Off shift");
      row.dataset.live = String(waiter.streams > 0);
    });
  }

  /** Where nobody has begun a shift, shifts are not used, and everybody can be given tables. */
  #mayServe({ onShift }) {
    return onShift || [...this.#waiters.values()].every((waiter) => !waiter.onShift);
  }

  #choose(id, isChosen) {
    if (isChosen) this.#chosen.add(id);
    else this.#chosen.delete(id);
    this.render();
  }

  #chooseNone() {
    const hadFocus = part(this.root, "takers").contains(document.activeElement);
    this.#chosen.clear();
    this.render();
    // Its button is gone.
    if (hadFocus) this.root.querySelector(".plan input:enabled")?.focus();
  }

  #renderTakers(tiles) {
    const chosen = tiles.filter(({ key }) => this.#chosen.has(key));
    part(this.root, "takers").hidden = chosen.length === 0;
    const numbers = tablesOf(chosen.map(({ tableNumber }) => tableNumber)).toLowerCase();
    setText(part(this.root, "chosen"), chosen.length ? `Hand ${numbers} to` : "");
    const takers = [...this.#waiters.values()]
      .filter((waiter) => this.#mayServe(waiter))
      .filter(({ id }) => chosen.some(({ waiterId }) => waiterId !== id))
      .map((waiter) => ({ key: waiter.id, ...waiter }));
    renderList(part(this.root, "taker-list"), takers, () => copyOf("taker"), (row, taker) => {
      const button = row.firstElementChild;
      setText(button, taker.name);
      button.ariaLabel = `Hand ${numbers} to ${taker.name}`;
      button.ariaDisabled = String(this.isBusy("transfer"));
      button.onclick = () => this.#handOver(chosen, taker);
    });
  }

  #handOver(chosen, taker) {
    const explain = (error) => this.say(`Not all was handed over. ${sentenceOf(error)}`);
    const moving = chosen.filter(({ waiterId }) => waiterId !== taker.id);
    const numbers = tablesOf(moving.map(({ tableNumber }) => tableNumber));
    return this.attempt("transfer", async () => {
      for (const [waiterId, tiles] of Map.groupBy(moving, ({ waiterId }) => waiterId)) {
        const sessionIds = tiles.map(({ key }) => key);
        const wish = { toWaiterId: taker.id, sessionIds, cause: "section_change" };
        await this.api.post(`/api/waiters/${waiterId}/transfers`, wish);
      }
      this.say(`${numbers} handed to ${taker.name}`);
      this.#chooseNone();
      await this.reload();
    }, explain);
  }
}
