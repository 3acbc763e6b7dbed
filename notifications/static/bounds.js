/**
 * Numbers from outside, each within bounds. A proxy, a captive portal or a broken
 * server may say anything; nothing it says may make a client hammer it, or fall
 * silent for hours.
 *
 * All defaults but the heartbeat's are guesses, on the patient side.
 */

const BOUNDS = {
  // How long a stream token lives. Tests go down to 2; the service says 600.
  expiresInSeconds: { floor: 2, cap: 86_400, fallback: 60 },
  // SSE_HEARTBEAT_SECONDS of the service: 30, at most an hour.
  heartbeatSeconds: { floor: 1, cap: 3_600, fallback: 30 },
  // Five minutes are as long as a restaurant waits for a screen without touching it.
  retryAfterSeconds: { floor: 1, cap: 300, fallback: 5 },
  reconnectInMs: { floor: 100, cap: 300_000, fallback: 5_000 },
};

/** Return `value` as a number within the bounds of `name`; its default, where it is none. */
export function bounded(name, value) {
  const { floor, cap, fallback } = BOUNDS[name];
  const isText = typeof value === "string" && value.trim() !== "";
  const number = typeof value === "number" || isText ? Number(value) : NaN;
  return Number.isFinite(number) ? Math.min(cap, Math.max(floor, number)) : fallback;
}

/** Return how long an answer asks to wait, in ms; 0 where it does not. */
export function retryAfterMs(headers) {
  const said = headers.get("Retry-After");
  if (said === null) return 0;
  // A date is told by the server's clock, and not by ours.
  const date = /[a-z]/i.test(said) ? Date.parse(said) - Date.parse(headers.get("Date")) : NaN;
  return 1_000 * bounded("retryAfterSeconds", Number.isNaN(date) ? said : date / 1_000);
}
