/**
 * One of a browser's tabs leads, the others listen to it.
 *
 * The tab that holds a Web Lock leads; the browser hands the lock on when that
 * tab closes. A tab that was frozen keeps its lock and answers nobody, so a
 * listener that gets no answer steals it. Two may lead for a moment: what they
 * publish must bear being heard twice. Knows nothing of streams.
 */

// Silence after which a listener asks whether its leader is still there.
const ASK_AFTER_MS = 20_000;
// Messages between tabs take milliseconds, but a slow tablet may be busy
// drawing. A guess; too short only costs a change of leader.
const ANSWER_WITHIN_MS = 3_000;

export class TabSharing {
  #name;
  #options;
  #env;
  #channel = null;
  #timer;
  #place; // in the queue for the lock, or holding it
  #abdicate = null; // gives the lock back; null while another leads

  /** Whether this browser can; Web Locks exist only on https and localhost. */
  static isSupported({ BroadcastChannel, locks }) {
    return Boolean(BroadcastChannel && locks);
  }

  /**
   * Tabs with the same `name` share. Options: `onLead()`, `onFollow()`, called
   * when this tab's part changes; `onAsked(urgent)`, called in the leader, which
   * must publish something; `onMessage(message)`, what the leader published.
   */
  constructor(name, options) {
    this.#name = name;
    this.#options = options;
    this.#env = options.env;
  }

  get isLeading() {
    return this.#abdicate !== null;
  }

  /** `urgent`: somebody is looking. */
  join(urgent) {
    this.#place = new AbortController();
    try {
      this.#channel = new this.#env.BroadcastChannel(this.#name);
    } catch {
      // Where a site may store nothing, say: this tab is on its own.
      return void this.#lead(this.#place);
    }
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#hold();
    this.ask(urgent);
  }

  leave() {
    this.#env.clearTimeout(this.#timer);
    this.#channel?.close();
    this.#place?.abort();
    this.#abdicate?.();
    this.#channel = this.#abdicate = null;
  }

  /** Tell the others, while this tab leads; `message` must be cloneable. */
  publish(message) {
    if (this.isLeading) this.#channel?.postMessage({ message });
  }

  /** Make the leader speak, or take its place. */
  ask(urgent = false) {
    this.#channel?.postMessage({ ask: true, urgent });
    // Jitter, so that of several listeners one moves and the others hear it.
    const waitMs = ANSWER_WITHIN_MS * (1 + this.#env.random() / 2);
    this.#wait(waitMs, () => this.#hold({ steal: true }));
  }

  #receive({ ask, urgent, message }) {
    if (ask) {
      if (this.isLeading) this.#options.onAsked(urgent);
    } else if (!this.isLeading) {
      this.#wait(ASK_AFTER_MS, () => this.ask());
      this.#options.onMessage(message);
    }
  }

  #wait(delayMs, then) {
    this.#env.clearTimeout(this.#timer);
    if (!this.isLeading) this.#timer = this.#env.setTimeout(then, delayMs);
  }

  /** Queue for the lock, or steal it; lead while we have it. */
  async #hold({ steal = false } = {}) {
    this.#place?.abort();
    const place = (this.#place = new AbortController());
    const how = steal ? { steal } : { signal: place.signal }; // both at once are refused
    try {
      await this.#env.locks.request(this.#name, how, () => this.#lead(place));
    } catch (error) {
      // No locks after all, in a sandboxed frame say: this tab is on its own.
      if (error.name !== "AbortError") return void this.#lead(place);
    }
    if (place.signal.aborted) return; // given up by ourselves
    this.#abdicate = null; // stolen: they took us for dead
    this.#options.onFollow();
    this.#hold();
    this.ask();
  }

  #lead(place) {
    if (place.signal.aborted) return undefined; // it came too late
    this.#env.clearTimeout(this.#timer);
    return new Promise((resolve) => {
      this.#abdicate = resolve;
      this.#options.onLead();
    });
  }
}
