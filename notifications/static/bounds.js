/**
 * Numbers from outside, each within bounds. A proxy, a captive portal or a broken
 * server may send any number. None may make a client flood the server with requests,
 * or stay silent for hours.
 *
 * All defaults but the heartbeat's are guesses, on the patient side.
 */

const BOUNDS = {
  // How long a stream token lives. Tests go down to 2; the service says 600.
  expiresInSeconds: { floor: 2, cap: 86_400, fallback: 60 },
  // SSE_HEARTBEAT_SECONDS of the service: 30, at most an hour.
  heartbeatSeconds: { floor: 1, cap: 3_600, fallback: 30 },
  // Five minutes is the longest that a restaurant waits before it touches a screen.
  retryAfterSeconds: { floor: 1, cap: 300, fallback: 5 },
  reconnectInMs: { floor: 10, cap: 300_000, fallback: 5_000 },
};

/** Return `value` as a number within the bounds of `name`; its default if it is no number. */
export function bounded(name, value) {
  const { floor, cap, fallback } = BOUNDS[name];
  const isText = typeof value === "string" && value.trim() !== "";
  const number = typeof value === "number" || isText ? Number(value) : NaN;
  return Number.isFinite(number) ? Math.min(cap, Math.max(floor, number)) : fallback;
}

/** Return how long an answer asks to wait, in ms; 0 if it does not ask. */
export function retryAfterMs(headers) {
  const said = headers.get("Retry-After");
  if (said === null) return 0;
  // A date is measured by the server's clock, not by ours.
  const date = /[a-z]/i.test(said) ? Date.parse(said) - Date.parse(headers.get("Date")) : NaN;
  return 1_000 * bounded("retryAfterSeconds", Number.isNaN(date) ? said : date / 1_000);
}
