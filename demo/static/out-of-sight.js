/** A notice of the new calls that are scrolled out of sight; a press on it brings the first. */

import { setText } from "./render.js";

// Of a card: what is less in sight is easily overlooked. A guess.
const IN_SIGHT = 0.6;
// On a phone the page goes on below what stays at its edges.
const EDGES = "-72px 0px";

export class OutOfSight {
  #notice;
  #hidden = new Map(); // a card that cannot be seen to the words for it
  #words = new Map(); // the same, of all new ones
  #observer = new IntersectionObserver((entries) => this.#see(entries), {
    threshold: IN_SIGHT, rootMargin: EDGES,
  });

  /** `bring(card)` moves the focus to it. */
  constructor(notice, bring) {
    this.#notice = notice;
    notice.onclick = () => {
      const [card] = this.#hidden.keys();
      card.scrollIntoView({ block: "center" });
      bring(card);
    };
  }

  /** The new cards, each with the words for it. */
  watch(words) {
    for (const card of this.#words.keys()) {
      if (words.has(card)) continue;
      this.#observer.unobserve(card);
      this.#hidden.delete(card);
    }
    for (const card of words.keys()) if (!this.#words.has(card)) this.#observer.observe(card);
    this.#words = words;
    this.#render();
  }

  #see(entries) {
    for (const { target, intersectionRatio } of entries) {
      const isHidden = this.#words.has(target) && intersectionRatio < IN_SIGHT;
      if (isHidden) this.#hidden.set(target, this.#words.get(target));
      else this.#hidden.delete(target);
    }
    this.#render();
  }

  #render() {
    const [words] = this.#hidden.values();
    const more = this.#hidden.size > 1 ? ` and ${this.#hidden.size - 1} more` : "";
    this.#notice.hidden = !words;
    setText(this.#notice, words ? `Show new: ${words}${more}` : "");
  }
}
