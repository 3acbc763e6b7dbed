/** New tickets: a chime, a badge with their number, and a mark on each until it is touched. */

import { Chime } from "./chime.js";
import { OutOfSight } from "./out-of-sight.js";
import { part, setText } from "./render.js";
import { titleOf } from "./words.js";

export class Arrivals {
  #root;
  #chime = new Chime();
  #outOfSight;
  #onSeen;
  #known = null; // keys of the tickets of the last snapshot; null before the first
  #unseen = new Set();

  /** `bring(card)` moves the focus to a card; `onSeen()` is called when one has been touched. */
  constructor(root, { bring, onSeen }) {
    this.#root = root;
    this.#onSeen = onSeen;
    this.#outOfSight = new OutOfSight(part(root, "below"), (card) => {
      bring(card);
      this.#see(card);
    });
    part(root, "sound").onclick = () => this.#toggleSound();
    // Not when the finger comes down: what is drawn then may move a button away from under it.
    root.addEventListener("click", ({ target }) => this.#see(target.closest(".ticket")));
    root.addEventListener("focusin", ({ target }) => {
      if (target.matches(":focus-visible")) this.#see(target.closest(".ticket"));
    });
  }

  get count() {
    return this.#unseen.size;
  }

  isUnseen({ key }) {
    return this.#unseen.has(key);
  }

  /** Find what is new in a snapshot with these tickets, of which some are `waiting`. */
  take(tickets, waiting) {
    const fresh = this.#known ? waiting.filter(({ key }) => !this.#known.has(key)) : [];
    // Include finished tickets: one that is taken back is not a new call.
    this.#known = new Set(tickets.map(({ key }) => key));
    if (fresh.length === 0) return;
    for (const { key } of fresh) this.#unseen.add(key);
    const news = fresh.map((ticket) => `${titleOf(ticket)} at table ${ticket.tableNumber}`);
    setText(part(this.#root, "news"), `New: ${news.join("; ")}`);
    this.#chime.ring();
  }

  /** Forget those that no longer wait. Called before the cards are drawn. */
  forget(waiting) {
    const keys = new Set(waiting.map(({ key }) => key));
    for (const key of this.#unseen) if (!keys.has(key)) this.#unseen.delete(key);
    const badge = part(this.#root, "badge");
    badge.hidden = this.#unseen.size === 0;
    setText(part(badge, "unseen"), String(this.#unseen.size));
  }

  /** Point to those that are scrolled out of sight; `cardOf(key)` returns a card. */
  watch(waiting, cardOf) {
    const fresh = waiting.filter((ticket) => this.isUnseen(ticket));
    const words = (ticket) => `${titleOf(ticket)}, table ${ticket.tableNumber}`;
    this.#outOfSight.watch(new Map(fresh.map((ticket) => [cardOf(ticket.key), words(ticket)])));
  }

  #see(card) {
    if (card && this.#unseen.delete(card.dataset.key)) this.#onSeen();
  }

  #toggleSound() {
    if (this.#chime.isOn) this.#chime.disable();
    else this.#chime.enable();
    part(this.#root, "sound").ariaChecked = String(this.#chime.isOn);
    setText(part(this.#root, "sound-word"), this.#chime.isOn ? "Sound on" : "Sound off");
  }
}
