/**
 * One event stream, kept alive.
 *
 * Wraps the browser's own EventSource, which gives up for good at any answer
 * but 200, does not notice a connection gone silent, and cannot send an
 * Authorization header. Knows nothing of tabs, nor of what events mean.
 */

import { bounded } from "./bounds.js";
import { StreamError } from "./stream-error.js";
import { StreamTokens } from "./stream-tokens.js";

// A phone at the edge of a cell needs seconds for DNS, TCP and TLS. A guess.
const OPENING_MS = 15_000;
// The server asks browsers to come back after 2 to 5 s (its `retry:` field).
const BROWSER_RETRY_MS = 5_000;
// By how much heartbeats may be late on a poor network. A guess.
const SLACK_MS = 5_000;
// A stream that lived this long was a good one: its loss is left to the browser first,
// and the time at which the service asks to come back is taken at its word.
const GOOD_MS = 10_000;
// One that lived this long makes up for all failures before it. Shorter, and a
// connection that comes and goes would be tried at full speed forever.
const STEADY_MS = 60_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;
// Attempts that need not wait for a pause, since somebody looks, the network is back or
// the app asks: so many within a minute, and no more. Guesses.
const MAX_HURRIES = 10;
const HURRIES_WITHIN_MS = 60_000;
const SHORTEST_RENEWAL_MS = 1_000;

export class EventStream {
  #options;
  #env;
  #tokens;
  #source = null;
  #attempt = new AbortController(); // the newest one; each aborts the one before
  #timer; // waits for a sign of life, or for the next attempt
  #renewal;
  #isPausing = false;
  #isRejected = false; // by an answer that EventSource hides
  #signAt = 0; // when something was last heard, or an attempt began
  #trustMs = OPENING_MS; // for how long after that a look is not worth a new stream
  #silenceMs = OPENING_MS;
  #liveSince = null;
  #failures = 0;
  #hurries = []; // when attempts were made without a pause

  /**
   * Options: `url` and `tokenUrl`, absolute; `getToken()`; `types`, the event
   * types to listen for; `position()`, the id to resume after, if any;
   * `onMessage(type, data, id)`, where data that is no JSON is text;
   * `onState(state, detail)`; `env`, the surroundings, replaceable in tests. From
   * within the functions it may be started and stopped.
   */
  constructor(options) {
    this.#options = options;
    this.#env = options.env;
    this.#tokens = new StreamTokens(options);
  }

  /** Open it now, whatever happened before; or soon, where that was asked for too often. */
  start() {
    this.#failures = 0;
    this.#isRejected = false;
    this.#hurry();
  }

  /** Somebody looks, or the network is back: open it now, unless it is surely there. */
  wake() {
    const isFresh = this.#env.now() - this.#signAt < this.#trustMs;
    if (this.#isPausing || !isFresh) this.#hurry();
  }

  /** The network is gone; trust that, but not forever: some systems say so wrongly. */
  loseNetwork() {
    this.#close();
    this.#failures ||= 1; // the next attempt, should it fail, is no first one
    this.#pause("offline", StreamError.found("no_network"), LONGEST_PAUSE_MS);
  }

  /** Close it, say nothing, and forget the token: the next start may follow another login. */
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

  /** Start an attempt that ends in time; the one before is over. */
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
   * EventSource hides the answer that it rejects. So the attempt after that one is
   * made by a fetch, which tells "not yours" from "later", and costs no request more.
   */
  async #askWhy(address, signal) {
    const headers = { Accept: "text/event-stream" };
    const answer = await this.#env.fetch(address, { headers, signal, cache: "no-store" });
    if (answer.status === 401) {
      // Of the stream's token; of the login, whoever gives out these tokens says so.
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
    if (source !== this.#source) return; // stopped from within
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
      // The browser comes back by itself when the server's `retry:` has it,
      // with Last-Event-ID. Where that fails as well, it is our turn.
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

  /** Stop where it is final; else try again after a pause that grows with each failure. */
  #fail(error) {
    const isGood = this.#forgive() > GOOD_MS;
    const state = this.#failures ? "offline" : "connecting";
    this.#close();
    if (error.isFinal) return this.#say("refused", detailOf(error));
    // Full jitter: the tablets of a restaurant, cut off at once, come back one by one.
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

  /** Go over to a stream with a fresh token, before the server ends this one. */
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
      // The stream is still good: only a refusal ends it.
      if (error?.isFinal) return this.#fail(error);
      const waitMs = (1 + this.#env.random()) * (LONGEST_PAUSE_MS / 2);
      this.#renewAt(this.#env.now() + Math.max(waitMs, error?.waitMs ?? 0));
    }
  }

  /** Return for how long the stream has been live; long enough, and failures are forgotten. */
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

/** A captive portal answers 200 as well. */
function isEventStream(answer) {
  const type = answer.headers?.get("Content-Type") ?? "text/event-stream";
  return type.toLowerCase().startsWith("text/event-stream");
}
