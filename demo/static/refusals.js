/** Why the last move of a ticket failed, for as long as that says anything about it. */

import { Problem } from "./api.js";
import { sentenceOf } from "./words.js";

export class Refusals {
  #byKey = new Map();

  add(ticket, error) {
    const isProblem = error instanceof Problem;
    const version = (isProblem && error.document.version) || ticket.version;
    this.#byKey.set(ticket.key, { sentence: sentenceOf(error), version, isProblem });
  }

  /** The sentence; "" where there is none, or the ticket has moved on since. */
  of({ key, version }) {
    const refusal = this.#byKey.get(key);
    return refusal && version <= refusal.version ? refusal.sentence : "";
  }

  /** It is being tried again. */
  forget({ key }) {
    this.#byKey.delete(key);
  }

  /** The server is back: that it was away is no news any more. */
  forgetLost() {
    for (const [key, { isProblem }] of this.#byKey) if (!isProblem) this.#byKey.delete(key);
  }
}
