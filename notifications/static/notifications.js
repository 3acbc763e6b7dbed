/**
 * Live updates of a restaurant, in the browser. No dependencies, no build step.
 *
 *   import { connect } from "/sse/static/notifications.js";
 *
 *   const snapshot = await load("/api/waiters/anna/floor");
 *   const feed = connect({
 *     url: "/sse/waiter/anna",
 *     getToken: () => login.token(),          // the app's own, full token
  *     lastEventId: snapshot.cursor,           // continue exactly where the snapshot ends
 *     onEvent: (type, data, id) => floor.apply(type, data),
 *     onRefresh: (affectedData, affectedIds) => floor.reload(affectedData),
 *     onState: (state, detail) => badge.show(state, detail.reason),
 *   });                                       // later: feed.close()
 *
  * Each event arrives once and in order, whatever the network does. If the
  * server's history does not reach back far enough, `onRefresh(["all"], [])`
  * is called. States: `connecting`; `live`; `offline`: the server cannot be
  * reached (the feed keeps trying); `refused`: trying again is of no use (the
  * feed stops until `feed.reconnect()`). The tabs of a browser share one
  * connection, on https and localhost.
 */

import { absolute, report, surroundings } from "./environment.js";
import { EventStream } from "./event-stream.js";
import { reasonFor } from "./reasons.js";
import { TabSharing } from "./tab-sharing.js";

// Events about the connection itself; EventSource needs each type by name.
const OWN_TYPES = ["closing", "connection", "heartbeat"];
const EVENT_TYPES = ["cache_refresh", "handover_offered", "handover_settled", "order_update",
  "request_update", "session_transfer", "session_update", "shift_update"];
// Requests and orders whose newest version is kept: more than in a busy month. A guess.
const MAX_VERSIONS = 10_000;

/**
 * Follow one stream. `notifications.d.ts` describes the options. No callback is
 * called before this function has returned.
 */
export function connect(options) {
  return new Feed(options);
}

class Feed {
  #options;
  #stream;
  #tabs = null; // null: this tab does not share
  #document; // undefined in a worker
  #isShareable;
  #ended = new AbortController();
  #isAsleep = false;
  #isInStep = false; // the leading tab has told its position
  #state = "connecting";
  #detail = {};
  #told; // the last state given to onState, with its detail
  #lastEventId;
  #versions = new Map();

  constructor(options) {
    const env = { ...surroundings(), ...options.env };
    const url = absolute(options.url);
    this.#options = options;
    this.#document = env.document;
    this.#isShareable = TabSharing.isSupported(env);
    this.#lastEventId = options.lastEventId;
    this.#stream = new EventStream({
      url: url.href,
      tokenUrl: new URL(options.tokenUrl ?? "../token", url).href,
      getToken: options.getToken,
      types: [...OWN_TYPES, ...EVENT_TYPES, ...(options.types ?? [])],
      position: () => this.#lastEventId,
      onMessage: (type, data, id) => this.#take(type, data, id),
      onState: (state, detail) => this.#enter(state, detail),
      env,
    });
    if (options.share !== false && this.#isShareable) {
      // A leader listens only for the types that it asked for.
      const name = ["notifications", url.href, ...[...(options.types ?? [])].sort()].join(" ");
      this.#tabs = new TabSharing(name, {
        onLead: () => this.#stream.start(),
        onFollow: () => this.#fallBack(),
        onAsked: (urgent) => this.#answer(urgent),
        onMessage: (message) => this.#follow(message),
        env,
      });
    }
    this.#watchPage(env);
    queueMicrotask(() => this.#join());
  }

  /** `connecting`, `live`, `offline` or `refused`; `closed` after `close()`. */
  get state() {
    return this.#state;
  }

  /** The id of the last event; a new feed that is given this continues after it. */
  get lastEventId() {
    return this.#lastEventId;
  }

  /** Try again now. After `refused` and a new login, this is how to start again. */
  reconnect() {
    this.#leave();
    this.#join({ urgent: true });
  }

  /** End the feed for good; no callback is called any more. */
  close() {
    this.#ended.abort();
    this.#leave();
    this.#state = "closed";
  }

  #join({ urgent = false } = {}) {
    if (this.#ended.signal.aborted) return;
    if (this.#isToSleep) return this.#sleep();
    this.#isAsleep = this.#isInStep = false;
    if (this.#tabs) this.#tabs.join(urgent);
    else this.#stream.start();
    this.#show("connecting", {}); // last: the app may close the feed from within
  }

  #leave() {
    this.#tabs?.leave();
    this.#stream.stop();
  }

  #watchPage({ document, window }) {
    const { signal } = this.#ended;
    const on = (target, type, act) => {
      const listener = (event) => this.#state !== "refused" && act(event);
      target?.addEventListener?.(type, listener, { signal });
    };
    on(document, "visibilitychange", () => this.#look());
    on(window, "online", () => this.#wake());
    on(window, "offline", () => this.#loseNetwork());
    // A frozen page would hold its connection and its lead without using them.
    on(document, "freeze", () => this.#sleep());
    on(document, "resume", () => this.#wake());
    on(window, "pagehide", ({ persisted }) => persisted && this.#sleep());
    on(window, "pageshow", ({ persisted }) => persisted && this.#wake());
  }

  /**
   * Whether this tab should close its connection because it is hidden. Only if tabs cannot
   * share a connection: HTTP/1.1 allows six, which are soon used up.
   */
  get #isToSleep() {
    return !this.#isShareable && this.#document?.visibilityState === "hidden";
  }

  #look() {
    if (this.#document.visibilityState === "visible") this.#wake();
    else if (this.#isToSleep) this.#sleep();
  }

  #loseNetwork() {
    if (this.#speaksToServer && !this.#isAsleep) this.#stream.loseNetwork();
  }

  #sleep() {
    this.#isAsleep = true;
    this.#leave();
    this.#show("offline", { code: "asleep", reason: reasonFor("asleep") });
  }

  #wake() {
    if (this.#isToSleep) return;
    if (this.#isAsleep) this.#join();
    else if (this.#speaksToServer) this.#stream.wake();
    else this.#tabs.ask(true);
  }

  get #speaksToServer() {
    return this.#tabs === null || this.#tabs.isLeading;
  }

  /** From our own stream. The other tabs come first, so that our callbacks do not delay them. */
  #take(type, data, id) {
    if (type === "connection") this.#lastEventId ||= id;
    this.#tabs?.publish({ type, data, id });
    this.#hear(type, data, id);
  }

  #enter(state, detail) {
    // Our token was refused; another tab's may be better. Leave before
    // calling back, because the app may reconnect in the callback.
    if (state === "refused") this.#leave();
    this.#show(state, detail);
    if (state !== "refused") this.#publishState();
  }

  /** Another tab found that this one does not answer, and leads now. */
  #fallBack() {
    this.#stream.stop();
    this.#isInStep = false;
  }

  #answer(urgent) {
    if (urgent) this.#stream.wake();
    this.#publishState();
  }

  #publishState() {
    const position = this.#lastEventId;
    this.#tabs?.publish({ state: this.#state, detail: this.#detail, position });
  }

  /**
   * From the leading tab. An event that comes before the leader has told its
   * position may follow others that we have missed; taking it would hide them.
   */
  #follow({ type, data, id, state, detail, position }) {
    if (type) return void (this.#isInStep && this.#hear(type, data, id));
    this.#isInStep = true;
    const isBehind = position && this.#lastEventId && !isUpTo(position, this.#lastEventId);
    if (isBehind || !this.#lastEventId) this.#lastEventId = position;
    this.#show(state, detail);
    if (isBehind) this.#startOver();
  }

  #hear(type, data, id) {
    this.#tell("onRaw", type, data, id);
    if (OWN_TYPES.includes(type)) return;
    const fields = Object(data); // without fields if the data is not JSON
    const isRefresh = type === "cache_refresh";
    const affectedData = listIn(fields.affectedData, ["all"]);
    // "All" is sent when the server cannot continue from our position, so its own id
    // proves nothing; and an unneeded reload is cheaper than a missed change.
    const isResync = isRefresh && affectedData.includes("all");
    if (!isResync && isUpTo(id, this.#lastEventId)) return;
    this.#lastEventId = id || this.#lastEventId;
    if (isResync) this.#startOver();
    else if (isRefresh) this.#tell("onRefresh", affectedData, listIn(fields.affectedIds, []));
    else if (fields === data && this.#isNews(type, data)) this.#tell("onEvent", type, data, id);
  }

  /** Also forgets versions: after a restore the server counts on from lower ones. */
  #startOver() {
    this.#versions.clear();
    this.#tell("onRefresh", ["all"], []);
  }

  #isNews(type, { requestId, orderId, sessionId, version }) {
    if (!Number.isFinite(version)) return true;
    const thing = `${type} ${requestId ?? orderId ?? sessionId}`;
    if (version <= this.#versions.get(thing)) return false;
    this.#versions.delete(thing); // moves it to the end: the map is ordered by last use
    this.#versions.set(thing, version);
    if (this.#versions.size > MAX_VERSIONS) {
      const [oldest] = this.#versions.keys();
      this.#versions.delete(oldest);
    }
    return true;
  }

  #show(state, detail) {
    if (this.#ended.signal.aborted) return;
    this.#state = state;
    this.#detail = detail;
    const told = JSON.stringify([state, detail]);
    if (told === this.#told) return;
    this.#told = told;
    this.#tell("onState", state, detail);
  }

  /** A callback that throws is reported, and does not stop the others. */
  #tell(name, ...args) {
    if (this.#ended.signal.aborted) return;
    try {
      this.#options[name]?.(...args);
    } catch (error) {
      report(error);
    }
  }
}

/** Whether `id` is at or before `position`; ids are `epoch-offset`, comparable within an epoch. */
function isUpTo(id, position) {
  if (!id || !position) return false;
  const [epoch, offset] = id.split("-");
  const [ourEpoch, ourOffset] = position.split("-");
  return epoch === ourEpoch && Number(offset) <= Number(ourOffset);
}

const listIn = (value, otherwise) => (Array.isArray(value) ? value : otherwise);
