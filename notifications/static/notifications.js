/**
 * Live updates of a restaurant, in the browser. No dependencies, no build step.
 *
 *   import { connect } from "/sse/static/notifications.js";
 *
 *   const snapshot = await load("/api/waiters/anna/floor");
 *   const feed = connect({
 *     url: "/sse/waiter/anna",
 *     getToken: () => login.token(),          // the app's own, full token
 *     lastEventId: snapshot.cursor,           // go on exactly where the snapshot ends
 *     onEvent: (type, data, id) => floor.apply(type, data),
 *     onRefresh: (affectedData, affectedIds) => floor.reload(affectedData),
 *     onState: (state, detail) => badge.show(state, detail.reason),
 *   });                                       // later: feed.close()
 *
 * Each event arrives once, in order, whatever the network does; where the
 * server's history does not reach back far enough, `onRefresh(["all"], [])`
 * says so. States: `connecting`; `live`; `offline`, where the server cannot
 * be reached (it keeps trying); `refused`, where trying is no use (it stops,
 * until `feed.reconnect()`). The tabs of a browser share one connection, on
 * https and localhost.
 */

import { absolute, report, surroundings } from "./environment.js";
import { EventStream } from "./event-stream.js";
import { reasonFor } from "./reasons.js";
import { TabSharing } from "./tab-sharing.js";

// About the connection itself; EventSource needs each type by name.
const OWN_TYPES = ["closing", "connection", "heartbeat"];
const EVENT_TYPES = ["cache_refresh", "order_update", "request_update", "session_transfer"];
// Requests and orders whose newest version is kept: more than a busy month's. A guess.
const MAX_VERSIONS = 10_000;

/**
 * Follow one stream. The options are described in `notifications.d.ts`;
 * none of them is called back before this has returned.
 */
export function connect(options) {
  return new Feed(options);
}

class Feed {
  #options;
  #stream;
  #tabs = null; // null: this tab keeps to itself
  #document; // undefined in a worker
  #isShareable;
  #ended = new AbortController();
  #isAsleep = false;
  #isInStep = false; // the tab that leads has said where it stands
  #state = "connecting";
  #detail = {};
  #told; // the state last told, with its detail
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
      // A leader hears the types it asked for, and no others.
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

  /** Where it stands; a feed that is given this goes on from here. */
  get lastEventId() {
    return this.#lastEventId;
  }

  /** Try again now; the way back from `refused`, after a new login. */
  reconnect() {
    this.#leave();
    this.#join({ urgent: true });
  }

  /** End it for good; calls nothing back any more. */
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
   * Whether this tab is to hold no connection, since nobody sees it. Only where tabs
   * cannot share one: the six that HTTP/1.1 has are soon used up.
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

  /** From our own stream: the other tabs first, so that no callback of ours delays them. */
  #take(type, data, id) {
    if (type === "connection") this.#lastEventId ||= id;
    this.#tabs?.publish({ type, data, id });
    this.#hear(type, data, id);
  }

  #enter(state, detail) {
    // The refusal is of our token; another tab's may be better. Leave before
    // it is told: the app may reconnect from within.
    if (state === "refused") this.#leave();
    this.#show(state, detail);
    if (state !== "refused") this.#publishState();
  }

  /** Another tab took us for dead, and leads now. */
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
   * From the tab that leads. An event that comes before it has said where it
   * stands may follow others that we have missed; taking it would hide them.
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
    const fields = Object(data); // of data that is no JSON: none
    const isRefresh = type === "cache_refresh";
    const affectedData = listIn(fields.affectedData, ["all"]);
    // "All" answers a position the server could not go on from, so its own id
    // proves nothing; and a reload too many is cheaper than a change missed.
    const isResync = isRefresh && affectedData.includes("all");
    if (!isResync && isUpTo(id, this.#lastEventId)) return;
    this.#lastEventId = id || this.#lastEventId;
    if (isResync) this.#startOver();
    else if (isRefresh) this.#tell("onRefresh", affectedData, listIn(fields.affectedIds, []));
    else if (fields === data && this.#isNews(type, data)) this.#tell("onEvent", type, data, id);
  }

  /** Versions are forgotten, too: after a restore the server counts on from lower ones. */
  #startOver() {
    this.#versions.clear();
    this.#tell("onRefresh", ["all"], []);
  }

  #isNews(type, { requestId, orderId, sessionId, version }) {
    if (!Number.isFinite(version)) return true;
    const thing = `${type} ${requestId ?? orderId ?? sessionId}`;
    if (version <= this.#versions.get(thing)) return false;
    this.#versions.delete(thing); // to the end: the map's order is that of use
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

  /** A callback that throws is reported, and costs nobody else anything. */
  #tell(name, ...args) {
    if (this.#ended.signal.aborted) return;
    try {
      this.#options[name]?.(...args);
    } catch (error) {
      report(error);
    }
  }
}

/** Whether `id` lies at or before `position`; ids are `epoch-offset`, comparable within an epoch. */
function isUpTo(id, position) {
  if (!id || !position) return false;
  const [epoch, offset] = id.split("-");
  const [ourEpoch, ourOffset] = position.split("-");
  return epoch === ourEpoch && Number(offset) <= Number(ourOffset);
}

const listIn = (value, otherwise) => (Array.isArray(value) ? value : otherwise);
