/** What a feed needs of its surroundings: a page, a worker, or Node.js. */

/** Return it; what there is not, `document` in a worker say, is undefined. */
export function surroundings() {
  const { EventSource, BroadcastChannel, document, navigator } = globalThis;
  return {
    EventSource,
    BroadcastChannel,
    document,
    window: globalThis,
    locks: navigator?.locks,
    fetch: (...args) => fetch(...args),
    setTimeout: (...args) => setTimeout(...args),
    clearTimeout: (timer) => clearTimeout(timer),
    now: steadyClock(),
    random: () => Math.random(),
  };
}

/** Return the absolute form of an address that may be relative to the page. */
export function absolute(url) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(url, base);
  } catch {
    throw new TypeError(`not a URL: ${url} (without a page it must be absolute)`);
  }
}

/** Report an error of the app's own without stopping for it. */
export function report(error) {
  (globalThis.reportError ?? console.error)(error);
}

/**
 * Return a clock in ms that counts a device's sleep, never goes back, and does not
 * care whether the device's time is right.
 *
 * The monotonic clock stands still while many a phone sleeps; the wall clock may be
 * set. The faster of the two counts: a wall clock that is set forward looks like
 * sleep, which costs one needless reconnect at most.
 */
export function steadyClock(monotonic = () => performance.now(), wall = () => Date.now()) {
  let [lastMonotonic, lastWall, elapsed] = [monotonic(), wall(), 0];
  return () => {
    const [nowMonotonic, nowWall] = [monotonic(), wall()];
    elapsed += Math.max(nowMonotonic - lastMonotonic, nowWall - lastWall);
    [lastMonotonic, lastWall] = [nowMonotonic, nowWall];
    return elapsed;
  };
}
