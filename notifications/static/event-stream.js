/**
 * One event stream, kept alive.
 *
 * Wraps the browser's own EventSource, which gives up for good at any answer
 * but 200, does not notice a connection gone silent, and cannot send an
 * Authorization header. Knows nothing of tabs, nor of what events mean.
 */

// A phone at the edge of a cell needs seconds for DNS, TCP and TLS. A guess.
const OPENING_MS = 15_000;
// The server asks browsers to come back after 2 to 5 s (its `retry:` field).
const BROWSER_RETRY_MS = 5_000;
// By how much two heartbeats may be late on a poor network. A guess.
const SLACK_MS = 5_000;
// Heard from so recently, a connection is believed to be there when somebody
// looks at the page again. A needless doubt costs the server one resumed stream.
const TRUST_MS = 10_000;
// A stream that lived this long was a good one: the next failure is a first one.
const STEADY_MS = 10_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;
// With a fifth of a ten-minute token left, the server may be away for two
// minutes before it costs us the stream.
const RENEW_AT = 0.8;
const SHORTEST_RENEWAL_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1; // beyond it, browsers fire at once

/** Why there is no stream. `code` is for programs, `message` for people. */
class StreamError extends Error {
  constructor(code, message, { retryAfterMs = 0, isFinal = false } = {}) {
    super(message);
    Object.assign(this, { code, retryAfterMs, isFinal });
  }

  /** Read one from an answer that is not 200: problem+json, if it is ours. */
  static async from(answer, finalStatuses) {
    const { code, detail, title } = await answer.json().catch(() => ({}));
    return new StreamError(code ?? `http_${answer.status}`, detail ?? title ?? answer.statusText, {
      retryAfterMs: 1_000 * (Number(answer.headers.get("Retry-After")) || 0),
      isFinal: finalStatuses.includes(answer.status),
    });
  }
}

export class EventStream {
  #options;
  #env;
  #pass = null; // {token, staleAt}: opens streams until then
  #source = null;
  #attempt = new AbortController(); // the newest one; each aborts the one before
  #timer; // waits for a sign of life, or for the next attempt
  #renewal;
  #isPausing = false;
  #signAt = 0; // when something was last heard, or an attempt began
  #liveSince = null;
  #silenceMs = OPENING_MS;
  #failures = 0;

  /**
   * Options: `url` and `tokenUrl`, absolute; `getToken()`; `types`, the event
   * types to listen for; `position()`, the id to resume after, if any;
   * `onMessage(type, data, id)`; `onState(state, detail)`; `env`, the
   * browser's things, replaceable in tests. From within the functions it may be
   * started and stopped.
   */
  constructor(options) {
    this.#options = options;
    this.#env = options.env;
  }

  /** Open it now, whatever happened before. */
  start() {
    this.#failures = 0;
    this.#open();
    this.#say("connecting");
  }

  /** Somebody looks, or the network is back: open it now, unless it is surely there. */
  wake() {
    const isFresh = this.#env.now() - this.#signAt < TRUST_MS;
    if (this.#isPausing || !isFresh) this.start();
  }

  /** The network is gone; trust that, but not for ever: some systems say so wrongly. */
  loseNetwork() {
    this.#close();
    this.#failures ||= 1; // the next attempt, should it fail, is no first one
    this.#pause("offline", { code: "no_network", reason: "no network" }, LONGEST_PAUSE_MS);
  }

  /** Close it, say nothing, and forget the token: the next start may follow another login. */
  stop() {
    this.#close();
    this.#pass = null;
  }

  async #open() {
    const signal = this.#begin();
    try {
      const { token } = await this.#freshPass(signal);
      if (!signal.aborted) this.#listen(token);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  /** Start an attempt that ends in time; the one before is over. */
  #begin() {
    this.#attempt.abort();
    this.#attempt = new AbortController();
    this.#isPausing = false;
    this.#signAt = this.#env.now();
    this.#failAfter(OPENING_MS);
    return this.#attempt.signal;
  }

  #listen(token) {
    const { url, types, position } = this.#options;
    const address = new URL(url);
    address.searchParams.set("token", token);
    if (position()) address.searchParams.set("lastEventId", position());

    this.#source?.close();
    const source = (this.#source = new this.#env.EventSource(address.href));
    for (const type of types) {
      source.addEventListener(type, (event) => this.#hear(source, event));
    }
    source.onerror = () => this.#break(source);
    this.#renewAt(this.#pass.staleAt);
  }

  #hear(source, { type, data, lastEventId }) {
    const payload = JSON.parse(data);
    this.#signAt = this.#env.now();
    if (type === "connection") {
      this.#liveSince = this.#signAt;
      this.#silenceMs = 2_000 * payload.heartbeatSeconds + SLACK_MS;
    }
    this.#failAfter(this.#silenceMs);
    this.#options.onMessage(type, payload, lastEventId);
    if (source !== this.#source) return; // stopped from within
    if (type === "connection") this.#say("live");
    if (type === "closing") {
      const { code, reason, reconnect } = payload;
      this.#fail(new StreamError(code, reason, { isFinal: !reconnect }));
    }
  }

  async #break(source) {
    if (source !== this.#source) return;
    const lost = new StreamError("connection_lost", "the connection was lost");
    if (source.readyState === source.CLOSED) {
      const signal = this.#begin();
      const why = await this.#askWhy(source.url, signal).catch(() => lost);
      if (!signal.aborted) this.#fail(why ?? lost);
    } else if (this.#isSteady()) {
      // The browser comes back by itself when the server's `retry:` has it,
      // with Last-Event-ID. Where that fails as well, it is our turn.
      this.#liveSince = null;
      this.#failures = 1;
      this.#failAfter(BROWSER_RETRY_MS + OPENING_MS);
      this.#say("connecting", { code: lost.code, reason: lost.message });
    } else {
      this.#fail(lost);
    }
  }

  /** EventSource hides an answer it rejects. Ask once more, to tell "not yours" from "later". */
  async #askWhy(url, signal) {
    this.#pass = null;
    const headers = { Accept: "text/event-stream" };
    const answer = await this.#env.fetch(url, { headers, signal, cache: "no-store" });
    if (!answer.ok) return StreamError.from(answer, [403, 404, 410]);
    await answer.body?.cancel();
  }

  /** Stop where it is final; else try again after a pause that grows with each failure. */
  #fail(error) {
    const isOurs = error instanceof StreamError;
    const { code, message, retryAfterMs, isFinal } = isOurs
      ? error
      : new StreamError("unreachable", error?.message ?? `getToken failed: ${error}`);
    if (this.#isSteady()) this.#failures = 0;
    const state = this.#failures ? "offline" : "connecting";
    this.#close();
    if (isFinal) return this.#say("refused", { code, reason: message });
    // Full jitter: the tablets of a restaurant, cut off at once, come back one by one.
    const spreadMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++);
    this.#pause(state, { code, reason: message }, retryAfterMs + this.#env.random() * spreadMs);
  }

  #pause(state, detail, pauseMs) {
    this.#isPausing = true;
    this.#timer = this.#env.setTimeout(() => this.#open(), pauseMs);
    this.#say(state, { ...detail, retryInMs: Math.round(pauseMs) });
  }

  #failAfter(silenceMs) {
    this.#env.clearTimeout(this.#timer);
    const silent = () => this.#fail(new StreamError("silence", "nothing was heard in time"));
    this.#timer = this.#env.setTimeout(silent, silenceMs);
  }

  #close() {
    this.#attempt.abort();
    this.#env.clearTimeout(this.#timer);
    this.#env.clearTimeout(this.#renewal);
    this.#source?.close();
    this.#source = this.#liveSince = null;
    this.#isPausing = false;
  }

  async #freshPass(signal) {
    if (!(this.#env.now() < this.#pass?.staleAt)) this.#pass = await this.#fetchPass(signal);
    return this.#pass;
  }

  async #fetchPass(signal) {
    const { tokenUrl, getToken } = this.#options;
    const asked = this.#env.now();
    const headers = { Authorization: `Bearer ${await getToken()}` };
    const answer = await this.#env.fetch(tokenUrl, { method: "POST", headers, signal });
    if (!answer.ok) throw await StreamError.from(answer, [401, 403]);
    const { token, expiresIn } = await answer.json();
    return { token, staleAt: asked + RENEW_AT * 1_000 * expiresIn };
  }

  /** Go over to a stream with a fresh token, before the server ends this one. */
  #renewAt(moment) {
    this.#env.clearTimeout(this.#renewal);
    const waitMs = Math.max(SHORTEST_RENEWAL_MS, moment - this.#env.now());
    this.#renewal = this.#env.setTimeout(() => this.#renew(), Math.min(waitMs, LONGEST_TIMER_MS));
  }

  async #renew() {
    const { signal } = this.#attempt;
    try {
      this.#pass = await this.#fetchPass(signal);
      if (!signal.aborted) this.#open();
    } catch (error) {
      if (signal.aborted) return;
      // The stream is still good: only a refusal ends it.
      if (error?.isFinal) this.#fail(error);
      else this.#renewAt(this.#env.now() + this.#env.random() * LONGEST_PAUSE_MS);
    }
  }

  #isSteady() {
    return this.#liveSince !== null && this.#env.now() - this.#liveSince > STEADY_MS;
  }

  #say(state, detail = {}) {
    this.#options.onState(state, detail);
  }
}
