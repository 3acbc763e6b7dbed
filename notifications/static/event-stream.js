/**
 * One event stream, kept open.
 *
 * Wraps the browser's own EventSource, which gives up for good at any answer
 * but 200, does not notice a silent connection, and cannot send an
 * Authorization header. Knows nothing of tabs and of what events mean.
 */

import { bounded } from "./bounds.js";
import { StreamError } from "./stream-error.js";
import { StreamTokens } from "./stream-tokens.js";

// A phone at the edge of a cell needs seconds for DNS, TCP and TLS. A guess.
const OPENING_MS = 15_000;
// The server asks browsers to come back after 2 to 5 s (its `retry:` field).
const BROWSER_RETRY_MS = 5_000;
// How late heartbeats may be on a poor network. A guess.
const SLACK_MS = 5_000;
// After a stream that lived this long, the browser tries first to reconnect, and the
// service's time to come back is used without extra delay.
const GOOD_MS = 10_000;
// A stream that lived this long clears all failures before it. If this were shorter,
// a connection that comes and goes would be tried at full speed forever.
const STEADY_MS = 60_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;
// Attempts without a pause, because a person looks, the network is back or the app asks.
// Only so many are made within a minute. Guesses.
const MAX_HURRIES = 10;
const HURRIES_WITHIN_MS = 60_000;
const SHORTEST_RENEWAL_MS = 1_000;

export class EventStream {
  #options;
  #env;
  #tokens;
  #source = null;
  #attempt = new AbortController(); // the current attempt; a new one aborts it
  #timer; // waits for a sign of life, or for the next attempt
  #renewal;
  #isPausing = false;
  #isRejected = false; // EventSource got an answer that it does not show
  #signAt = 0; // when something last arrived, or an attempt began
  #trustMs = OPENING_MS; // for how long after that a wake-up opens no new stream
  #silenceMs = OPENING_MS;
  #liveSince = null;
  #failures = 0;
  #hurries = []; // the times of attempts without a pause

  /**
   * Options: `url` and `tokenUrl`, absolute; `getToken()`; `types`, the event
   * types to listen for; `position()`, the id to resume after, if any;
   * `onMessage(type, data, id)`, where data that is not JSON is text;
   * `onState(state, detail)`; `env`, the environment, replaceable in tests. The
   * callbacks may start and stop the stream.
   */
  constructor(options) {
    this.#options = options;
    this.#env = options.env;
    this.#tokens = new StreamTokens(options);
  }

  /** Open it now; or soon, if that was asked for too often. Forgets earlier failures. */
  start() {
    this.#failures = 0;
    this.#isRejected = false;
    this.#hurry();
  }

  /** A person looks, or the network is back: open it now, unless it is certainly open. */
  wake() {
    const isFresh = this.#env.now() - this.#signAt < this.#trustMs;
    if (this.#isPausing || !isFresh) this.#hurry();
  }

  /** The network is gone. Still try later, because some systems report this wrongly. */
  loseNetwork() {
    this.#close();
    this.#failures ||= 1; // if the next attempt fails, it is not the first failure
    this.#pause("offline", StreamError.found("no_network"), LONGEST_PAUSE_MS);
  }

  /** Close it without a callback, and forget the token: the next start may follow a new login. */
  stop() {
    this.#close();
    this.#tokens.forget();
  }

  #hurry() {
    const now = this.#env.now();
    this.#hurries = this.#hurries.filter((at) => now - at < HURRIES_WITHIN_MS);
    if (this.#hurries.length < MAX_HURRIES) {
      this.#hurries.push(now);
      this.#open();
      this.#say("connecting");
    } else if (!this.#isPausing) {
      this.#close();
      const waitMs = this.#hurries[0] + HURRIES_WITHIN_MS - now;
      this.#pause("connecting", StreamError.found("hurried"), waitMs);
    }
  }

  async #open() {
    const signal = this.#begin();
    try {
      const token = await this.#tokens.fresh(signal);
      if (signal.aborted) return;
      const address = this.#addressWith(token);
      if (this.#isRejected) await this.#askWhy(address, signal);
      if (!signal.aborted) this.#listen(address);
    } catch (error) {
      if (!signal.aborted) this.#fail(StreamError.thrown(error));
    }
  }

  /** Start an attempt with a time limit; the one before is aborted. */
  #begin() {
    this.#attempt.abort();
    this.#attempt = new AbortController();
    this.#isPausing = false;
    this.#signAt = this.#env.now();
    this.#trustMs = OPENING_MS;
    this.#failAfter(OPENING_MS);
    return this.#attempt.signal;
  }

  #addressWith(token) {
    const { url, position } = this.#options;
    const address = new URL(url);
    address.searchParams.set("token", token);
    if (position()) address.searchParams.set("lastEventId", position());
    return address.href;
  }

  /**
   * EventSource hides the answer that it rejects. So the next attempt is made with
   * fetch, which can tell "not yours" from "later", and costs no extra request.
   */
  async #askWhy(address, signal) {
    const headers = { Accept: "text/event-stream" };
    const answer = await this.#env.fetch(address, { headers, signal, cache: "no-store" });
    if (answer.status === 401) {
      // Only the stream's token was rejected. A bad login is reported when a token is renewed.
      this.#tokens.forget();
      throw StreamError.found("unreachable", "the stream's token was rejected");
    }
    if (!answer.ok) throw await StreamError.answered(answer);
    await answer.body?.cancel();
    if (!isEventStream(answer)) throw StreamError.found("unreachable", "it is no event stream");
    this.#isRejected = false;
  }

  #listen(address) {
    this.#source?.close();
    const source = (this.#source = new this.#env.EventSource(address));
    for (const type of this.#options.types) {
      source.addEventListener(type, (event) => this.#hear(source, event));
    }
    source.onerror = () => this.#break(source);
    this.#renewAt(this.#tokens.staleAt);
  }

  #hear(source, { type, data, lastEventId }) {
    if (source !== this.#source) return;
    const payload = parsed(data);
    const fields = Object(payload);
    this.#signAt = this.#env.now();
    if (type === "connection") {
      this.#liveSince = this.#signAt;
      const beatMs = 1_000 * bounded("heartbeatSeconds", fields.heartbeatSeconds);
      this.#silenceMs = 2 * beatMs + SLACK_MS;
      this.#trustMs = beatMs + SLACK_MS;
    }
    this.#failAfter(this.#silenceMs);
    this.#options.onMessage(type, payload, lastEventId);
    if (source !== this.#source) return; // a callback stopped it
    if (type === "connection") this.#say("live");
    if (type === "closing") this.#fail(StreamError.closing(fields));
  }

  #break(source) {
    if (source !== this.#source) return;
    this.#isRejected = source.readyState === source.CLOSED;
    const isGood = this.#forgive() > GOOD_MS;
    if (this.#isRejected) {
      this.#fail(StreamError.found("unreachable", "the stream was rejected"));
    } else if (isGood && !this.#failures) {
      // The browser reconnects by itself after the server's `retry:` time,
      // with Last-Event-ID. If that fails as well, this module tries.
      this.#liveSince = null;
      this.#failures = 1;
      this.#trustMs = this.#silenceMs = BROWSER_RETRY_MS + OPENING_MS;
      this.#signAt = this.#env.now();
      this.#failAfter(this.#silenceMs);
      this.#say("connecting", detailOf(StreamError.found("connection_lost")));
    } else {
      this.#fail(StreamError.found("connection_lost"));
    }
  }

  /** Stop if the error is final; else try again after a pause that grows with each failure. */
  #fail(error) {
    const isGood = this.#forgive() > GOOD_MS;
    const state = this.#failures ? "offline" : "connecting";
    this.#close();
    if (error.isFinal) return this.#say("refused", detailOf(error));
    // Full jitter: the tablets of a restaurant, cut off together, come back one by one.
    const spreadMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    const isOnTime = error.isTimed && (isGood || !this.#failures);
    if (!(error.isTimed && isGood)) this.#failures += 1;
    this.#pause(state, error, error.waitMs + (isOnTime ? 0 : this.#env.random() * spreadMs));
  }

  #pause(state, error, pauseMs) {
    this.#isPausing = true;
    this.#timer = this.#env.setTimeout(() => this.#open(), pauseMs);
    this.#say(state, { ...detailOf(error), retryInMs: Math.round(pauseMs) });
  }

  #failAfter(silenceMs) {
    this.#env.clearTimeout(this.#timer);
    const silent = () => this.#fail(StreamError.found("silence", "nothing was heard in time"));
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

  /** Change to a stream with a fresh token, before the server ends this one. */
  #renewAt(moment) {
    this.#env.clearTimeout(this.#renewal);
    const waitMs = Math.max(SHORTEST_RENEWAL_MS, moment - this.#env.now());
    this.#renewal = this.#env.setTimeout(() => this.#renew(), waitMs);
  }

  async #renew() {
    const { signal } = this.#attempt;
    try {
      await this.#tokens.renew(signal);
      if (!signal.aborted) this.#open();
    } catch (error) {
      if (signal.aborted) return;
      // The stream still works: only a refusal ends it.
      if (error?.isFinal) return this.#fail(error);
      const waitMs = (1 + this.#env.random()) * (LONGEST_PAUSE_MS / 2);
      this.#renewAt(this.#env.now() + Math.max(waitMs, error?.waitMs ?? 0));
    }
  }

  /** Return how long the stream has been live. If it was long enough, forget earlier failures. */
  #forgive() {
    const livedMs = this.#liveSince === null ? 0 : this.#env.now() - this.#liveSince;
    if (livedMs > STEADY_MS) this.#failures = 0;
    return livedMs;
  }

  #say(state, detail = {}) {
    this.#options.onState(state, detail);
  }
}

function detailOf({ code, message: reason, technical }) {
  return { code, reason, ...(technical && { technical }) };
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** A captive portal also answers 200. */
function isEventStream(answer) {
  const type = answer.headers?.get("Content-Type") ?? "text/event-stream";
  return type.toLowerCase().startsWith("text/event-stream");
}
