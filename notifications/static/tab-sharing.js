/**
 * One of a browser's tabs leads, and the others listen to it.
 *
 * The tab that holds a Web Lock leads; the browser passes the lock on when that
 * tab closes. A frozen tab keeps its lock and does not answer, so a listener
 * that gets no answer steals it. Two tabs may lead for a moment, so receiving
 * their messages twice must be harmless. Knows nothing of streams.
 */

// Silence after which a listener asks whether its leader still answers.
const ASK_AFTER_MS = 20_000;
// Messages between tabs take milliseconds, but a slow tablet may be busy
// drawing. A guess; if it is too short, the leader changes needlessly.
const ANSWER_WITHIN_MS = 3_000;

export class TabSharing {
  #name;
  #options;
  #env;
  #channel = null;
  #timer;
  #place; // in the queue for the lock, or with the lock
  #abdicate = null; // gives the lock back; null while another leads

  /** Whether this browser supports it; Web Locks exist only on https and localhost. */
  static isSupported({ BroadcastChannel, locks }) {
    return Boolean(BroadcastChannel && locks);
  }

  /**
   * Tabs with the same `name` share. Options: `onLead()` and `onFollow()`, called
   * when this tab begins to lead or to follow; `onAsked(urgent)`, called in the
   * leader, which must publish something; `onMessage(message)`, called in the others
   * with what the leader published.
   */
  constructor(name, options) {
    this.#name = name;
    this.#options = options;
    this.#env = options.env;
  }

  get isLeading() {
    return this.#abdicate !== null;
  }

  /** `urgent`: a person is looking at this tab. */
  join(urgent) {
    this.#place = new AbortController();
    try {
      this.#channel = new this.#env.BroadcastChannel(this.#name);
    } catch {
      // Not allowed, for example where a site may store nothing: this tab does not share.
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

  /** Send to the other tabs, if this tab leads; `message` must be cloneable. */
  publish(message) {
    if (this.isLeading) this.#channel?.postMessage({ message });
  }

  /** Ask the leader to publish; take its place if it does not. */
  ask(urgent = false) {
    this.#channel?.postMessage({ ask: true, urgent });
    // Jitter, so that one of several listeners moves first and the others hear it.
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

  /** Queue for the lock, or steal it; lead while this tab has it. */
  async #hold({ steal = false } = {}) {
    this.#place?.abort();
    const place = (this.#place = new AbortController());
    const how = steal ? { steal } : { signal: place.signal }; // browsers reject both at once
    try {
      await this.#env.locks.request(this.#name, how, () => this.#lead(place));
    } catch (error) {
      // No locks, for example in a sandboxed frame: this tab does not share.
      if (error.name !== "AbortError") return void this.#lead(place);
    }
    if (place.signal.aborted) return; // this tab gave it up
    this.#abdicate = null; // stolen: another tab got no answer from this one
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
