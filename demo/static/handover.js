/** A handover that waits for a moment, so that it can be undone. */

import { part, setText } from "./render.js";

// Long enough to notice a slip. A guess. A waiter cannot take tables back from a
// colleague, so the service is told only afterwards.
const UNDO_MS = 6_000;

export class Handover {
  #root;
  #onChange;
  #timer = null;

  /** `onChange()` is called when the wait begins and when it ends. */
  constructor(root, onChange) {
    this.#root = root;
    this.#onChange = onChange;
    part(root, "undo-button").onclick = () => this.#end("Nothing was handed over");
  }

  get isPending() {
    return this.#timer !== null;
  }

  /** Show `what` is about to happen. Unless it is undone, call `act` afterwards. */
  begin(what, act) {
    setText(part(this.#root, "undo-what"), what);
    setText(part(this.#root, "news"), `${what} Undo is possible for ${UNDO_MS / 1_000} seconds.`);
    part(this.#root, "undo").hidden = false;
    this.#timer = setTimeout(() => {
      this.#end("");
      act();
    }, UNDO_MS);
    this.#onChange();
  }

  #end(news) {
    const hasFocus = document.activeElement === part(this.#root, "undo-button");
    clearTimeout(this.#timer);
    this.#timer = null;
    part(this.#root, "undo").hidden = true;
    setText(part(this.#root, "news"), news);
    this.#onChange();
    if (hasFocus) part(this.#root, "transfer").focus();
  }
}
