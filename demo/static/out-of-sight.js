/** A notice of the new calls that are scrolled out of sight; pressing it shows the first. */

import { setText } from "./render.js";

// The part of a card that must be visible; with less it is easily overlooked. A guess.
const IN_SIGHT = 0.6;
// On a phone, bars cover the page at its edges.
const EDGES = "-72px 0px";

export class OutOfSight {
  #notice;
  #hidden = new Map(); // from a card that is out of sight to its words
  #words = new Map(); // the same for all new cards
  #observer = new IntersectionObserver((entries) => this.#see(entries), {
    threshold: IN_SIGHT, rootMargin: EDGES,
  });

  /** `bring(card)` moves the focus to the card. */
  constructor(notice, bring) {
    this.#notice = notice;
    notice.onclick = () => {
      const [card] = this.#hidden.keys();
      card.scrollIntoView({ block: "center" });
      bring(card);
    };
  }

  /** Watch the new cards, each with its words. */
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
