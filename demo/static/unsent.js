/** Calls and orders that did not reach the service, with a button to try each again. */

import { copyOf, part, renderList, setText } from "./render.js";

export class Unsent {
  #list;
  #isBusy;
  #takeFocus;
  #byKey = new Map();

  /**
   * `isBusy(key)` returns whether the item is being sent; `takeFocus()` is called when the
   * button that had the focus is gone.
   */
  constructor(list, { isBusy, takeFocus }) {
    this.#list = list;
    this.#isBusy = isBusy;
    this.#takeFocus = takeFocus;
  }

  /** Show why `title` was not sent; `again()` is called to try again. */
  add(key, title, why, again) {
    this.#byKey.set(key, { key, title, why: `${title}: not sent. ${why}`, again });
    this.render();
  }

  /** The item is being sent again. */
  wait(key) {
    const item = this.#byKey.get(key);
    if (item) item.why = `${item.title}: sending again.`;
    this.render();
  }

  forget(key) {
    const hadFocus = this.#list.contains(document.activeElement);
    if (!this.#byKey.delete(key)) return;
    this.render();
    if (hadFocus && !this.#list.contains(document.activeElement)) this.#takeFocus();
  }

  render() {
    const items = [...this.#byKey.values()];
    renderList(this.#list, items, () => copyOf("not-sent"), (row, { key, title, why, again }) => {
      setText(part(row, "why"), why);
      part(row, "retry").ariaDisabled = String(this.#isBusy(key));
      part(row, "retry").ariaLabel = `Try again: ${title}`;
      part(row, "retry").onclick = again;
      part(row, "forget").ariaLabel = `Never mind: ${title}`;
      part(row, "forget").onclick = () => this.forget(key);
    });
  }
}
