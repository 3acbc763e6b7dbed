/** Why the last move of a ticket failed, for as long as that is still true. */

import { Problem } from "./api.js";
import { sentenceOf } from "./words.js";

export class Refusals {
  #byKey = new Map();

  add(ticket, error) {
    const isProblem = error instanceof Problem;
    const version = (isProblem && error.document.version) || ticket.version;
    this.#byKey.set(ticket.key, { sentence: sentenceOf(error), version, isProblem });
  }

  /** Return the sentence, or "" if there is none or the ticket has changed since. */
  of({ key, version }) {
    const refusal = this.#byKey.get(key);
    return refusal && version <= refusal.version ? refusal.sentence : "";
  }

  /** The move is being tried again. */
  forget({ key }) {
    this.#byKey.delete(key);
  }

  /** The server is back: forget the moves that failed because it was away. */
  forgetLost() {
    for (const [key, { isProblem }] of this.#byKey) if (!isProblem) this.#byKey.delete(key);
  }
}
