/** Shows that the connection is lost and when the next attempt is due; a press tries now. */

import { part, setText } from "./render.js";

export class Retry {
  #root;
  #reason = "";
  #dueAt = null;
  #timer;

  constructor(root, tryNow) {
    this.#root = root;
    part(root, "now").onclick = () => {
      if (part(root, "now").ariaDisabled !== "true") tryNow();
    };
  }

  /** `retryInMs` is undefined if the time is not known. */
  show(reason, retryInMs) {
    this.#reason = reason;
    this.#dueAt = retryInMs === undefined ? null : Date.now() + retryInMs;
    part(this.#root, "lost").hidden = false;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#render(), 1_000);
    this.#render();
  }

  /** An attempt is being made; until it ends the button stays where it is, with its focus. */
  try() {
    clearInterval(this.#timer);
    this.#dueAt = Date.now();
    this.#render();
  }

  hide() {
    clearInterval(this.#timer);
    part(this.#root, "lost").hidden = true;
  }

  #render() {
    const seconds = this.#dueAt && Math.ceil((this.#dueAt - Date.now()) / 1_000);
    const isTrying = seconds !== null && seconds <= 0;
    const next = isTrying ? "Trying now." : `Next try in ${seconds} s.`;
    const when = seconds === null ? "Tries again when the network is back." : next;
    setText(part(this.#root, "due"), `${this.#reason} ${when}`.trim());
    part(this.#root, "now").ariaDisabled = String(isTrying);
  }
}
