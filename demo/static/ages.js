/** How long things have waited, by the server's clock; counted every second. */

import { setText } from "./render.js";
import { formatAge } from "./words.js";

// When an age is marked, and when it is marked more strongly. Both are guesses.
/** Guests look round for the waiter after two minutes, and are cross after five. */
export const GUESTS_PATIENCE = [120, 300];
/** A dish takes ten minutes; after twenty the table has noticed. */
export const KITCHENS_PATIENCE = [600, 1_200];
/** Guests may sit at their table as long as they like. */
export const NO_HURRY = [Infinity, Infinity];

export class Ages {
  #shown = new Map(); // from an element to [since, late, too late]
  #clockAheadMs = 0; // a tablet's clock may be minutes off

  constructor() {
    setInterval(() => this.#render(), 1_000);
  }

  /** Set the server's clock: `takenAt` is now. */
  setClock(takenAt) {
    this.#clockAheadMs = Date.now() - Date.parse(takenAt);
  }

  /** Show in `element` the age of something that began at `since`. */
  show(element, since, patience) {
    this.#shown.set(element, [since, ...patience]);
    this.#renderOne(element);
  }

  #render() {
    for (const element of this.#shown.keys()) {
      if (element.isConnected) this.#renderOne(element);
      else this.#shown.delete(element);
    }
  }

  #renderOne(element) {
    const [since, late, tooLate] = this.#shown.get(element);
    const seconds = (Date.now() - this.#clockAheadMs - Date.parse(since)) / 1_000;
    setText(element, formatAge(seconds));
    const isLate = seconds >= late ? "yes" : "no";
    element.dataset.late = seconds >= tooLate ? "very" : isLate;
  }
}
