/**
* The client with stand-ins: a clock that the test advances, and a server that sends
 * what the test tells it to. `source` is the newest event source; `prepare(stage)`
 * runs before the client does, and may return options for it.
 */
async function rehearse(prepare = () => {}) {
  const { connect } = await import("/sse/static/notifications.js");
  const stage = {
    sources: [], states: [], events: [], refreshes: [], fetched: [],
    random: 1, detail: {}, onEvent() {}, onRaw() {}, onState() {},
    answer: { ok: true }, // to a request for the reason of a rejected stream
    tokenAnswer: null, // to a request for a stream token; null: a new token
    get source() { return this.sources.at(-1); },
    get requests() { return this.sources.length + this.fetched.length; },
    get state() { return this.states.at(-1); },
  };

  class StandIn extends EventTarget {
    CLOSED = 2;
    readyState = 0;
    constructor(url) {
      super();
      this.url = url;
      stage.sources.push(this);
    }
    close() { this.readyState = 2; }
    say(type, data, lastEventId = "") {
      this.sayText(type, JSON.stringify(data), lastEventId);
    }
    sayText(type, data, lastEventId = "") {
      this.readyState = 1;
      this.dispatchEvent(new MessageEvent(type, { data, lastEventId }));
    }
    /** The connection broke; browsers try again by themselves. */
    lose() { this.readyState = 0; this.onerror(); }
    /** An answer other than 200, after which browsers give up. */
    reject() { this.readyState = 2; this.onerror(); }
  }

  let now = 1e12;
  let count = 0;
  const timers = new Map();
  let tokens = 0;
  const env = {
    EventSource: StandIn,
    now: () => now,
    random: () => stage.random,
    setTimeout: (act, ms) => (timers.set(++count, { act, at: now + ms }), count),
    clearTimeout: (timer) => timers.delete(timer),
    fetch: async (url) => {
      stage.fetched.push(url);
      if (!url.endsWith("/sse/token")) return stage.answer;
      if (stage.tokenAnswer) return stage.tokenAnswer();
      return { ok: true, json: async () => ({ token: `stream-${++tokens}`, expiresIn: 600 }) };
    },
  };

  /** Run promises that only wait for each other. */
  stage.settle = () => new Promise((resolve) => setTimeout(resolve));
  /** Wait for work that involves other tabs or the browser's locks. */
  stage.until = async (isSo) => {
    const end = performance.now() + 10_000;
    while (!(await isSo())) {
      if (performance.now() > end) throw new Error(`it never came to pass: ${isSo}`);
      await stage.settle();
    }
  };
  /** Let time pass, timer by timer. */
  stage.pass = async (ms) => {
    const end = now + ms;
    for (;;) {
      const due = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (due.length === 0) break;
      const [timer, { act, at }] = due[0];
      timers.delete(timer);
      now = Math.max(now, at);
      act();
      await stage.settle();
    }
    now = end;
  };

  /** An unsuccessful answer; a problem document marks it as our service's. */
  stage.refusal = (status, { type = "application/problem+json", body = {}, ...headers } = {}) => ({
    ok: false, status, statusText: "", headers: new Headers({ "Content-Type": type, ...headers }),
    json: async () => body,
  });

  const options = prepare(stage) ?? {};
  stage.feed = connect({
    url: "/sse/session/table-7",
    getToken: () => "full",
    share: false,
    onState(state, detail) { stage.states.push(state); stage.detail = detail; stage.onState(state); },
    onEvent(type, data, id) { stage.events.push({ type, data, id }); stage.onEvent(); },
    onRefresh: (affectedData) => stage.refreshes.push(affectedData),
    onRaw: (type, data) => stage.onRaw(type, data),
    ...options,
    env: { ...env, ...options.env },
  });
  await stage.settle();
  return stage;
}
