/**
 * Keeps a quick second tap, or key press, from acting on a button that has just moved under it.
 *
 * When a ticket leaves a list, the next one moves to its place. A button of a ticket that has
 * just appeared, moved, changed its label or been given the focus does nothing for a moment,
 * because the person who presses it has not read it yet.
 */

// Desktops allow 500 ms for the second click of a double click.
const SETTLE_MS = 500;
// More than a card moves while it fades in.
const MOVED_PX = 12;
const CHANGES = {
  childList: true, subtree: true, characterData: true, attributeFilter: ["hidden", "open", "data-shown"],
};

/** Return whether a press on `button` would come too early. */
export const isSettling = (button) => "settling" in button.dataset;

export class Steady {
  #root;
  #onSettled;
  #seen = new WeakMap(); // from a button to its place and label
  #timers = new WeakMap();
  #isUnderWay = false;

  /** Watch the ticket buttons in `root`; `onSettled()` is called when one may be pressed again. */
  constructor(root, onSettled) {
    this.#root = root;
    this.#onSettled = onSettled;
    new MutationObserver(() => this.#look()).observe(root, CHANGES);
    // A key that is held down presses again and again.
    root.addEventListener("keydown", (event) => {
      if (event.repeat && event.target.closest("button")) event.preventDefault();
    });
  }

  /** Let `button` do nothing for a moment. */
  hold(button) {
    clearTimeout(this.#timers.get(button));
    button.dataset.settling = "";
    button.ariaDisabled = "true";
    const settle = () => {
      delete button.dataset.settling;
      this.#onSettled();
    };
    this.#timers.set(button, setTimeout(settle, SETTLE_MS));
  }

  #look() {
    const scrolled = window.scrollY + this.#root.querySelector(".scroll").scrollTop;
    const buttons = this.#root.querySelectorAll(".moves button");
    for (const button of buttons) {
      const place = button.getBoundingClientRect().top + scrolled;
      const seen = this.#seen.get(button);
      const isSame = seen?.label === button.ariaLabel && Math.abs(seen.place - place) < MOVED_PX;
      if (isSame) continue; // keep the first place, so that many small moves add up
      this.#seen.set(button, { place, label: button.ariaLabel });
      if (this.#isUnderWay) this.hold(button);
    }
    this.#isUnderWay ||= buttons.length > 0; // when the first appear, no finger is on a button
  }
}
