/** The parts of the environment that a feed uses: a page, a worker, or Node.js. */

/** Return the environment; a missing part, such as `document` in a worker, is undefined. */
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

/** Report an error in the app's code without stopping. */
export function report(error) {
  (globalThis.reportError ?? console.error)(error);
}

/**
 * Return a clock in ms that counts a device's sleep, never goes back, and works
 * even if the device's time is wrong.
 *
 * The monotonic clock stops while many phones sleep, and the wall clock may be
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
