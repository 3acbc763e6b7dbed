/** Counts what a replay brings. */

// Between two events of a replay. A guess: they come in one piece.
const GAP_MS = 500;

export class CatchUp {
  #isFirst = true;
  #newestAt = -Infinity; // when the connection, or the newest event of its replay, came
  #count = 0;

  /** A connection is there. What the first one brings is no news: the page has just been opened. */
  begin() {
    this.#newestAt = this.#isFirst ? -Infinity : Date.now();
    this.#isFirst = false;
    this.#count = 0;
  }

  /** An event has come: how many the replay has brought so far, or 0 if it is none of it. */
  add() {
    if (Date.now() - this.#newestAt > GAP_MS) return 0;
    this.#newestAt = Date.now();
    this.#count += 1;
    return this.#count;
  }
}
