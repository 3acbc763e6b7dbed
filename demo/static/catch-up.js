/** Counts the updates that a replay brings. */

// The longest time between two events of a replay. A guess: they arrive together.
const GAP_MS = 500;

export class CatchUp {
  #isFirst = true;
  #newestAt = -Infinity; // when the connection, or the newest event of its replay, arrived
  #count = 0;

  /** Called when connected. The first connection is not counted: the page was just opened. */
  begin() {
    this.#newestAt = this.#isFirst ? -Infinity : Date.now();
    this.#isFirst = false;
    this.#count = 0;
  }

  /** Count an event. Return how many the replay has brought so far; 0 outside of a replay. */
  add() {
    if (Date.now() - this.#newestAt > GAP_MS) return 0;
    this.#newestAt = Date.now();
    this.#count += 1;
    return this.#count;
  }
}
