/** Why a feed is not live, in sentences for the person who looks at the screen. */

const AWAY = "The service cannot be reached at the moment.";
const BUSY = "The service is busy at the moment.";
const SIGN_IN = "Please sign in again.";

const REASONS = {
  // Found by this module.
  asleep: "Live updates were paused while the page was not shown.",
  connection_lost: "The connection was lost.",
  hurried: "There were too many attempts to connect in a short time.",
  no_network: "This device has no network.",
  silence: "The connection was lost.",
  unreachable: AWAY,
  // Sent by the service.
  draining: "The service is restarting.",
  failed: AWAY,
  history_unavailable: AWAY,
  no_answer: AWAY,
  server_busy: BUSY,
  server_draining: "The service is restarting.",
  server_full: BUSY,
  session_closed: "This table was closed.",
  token_expired: "The sign-in is being renewed.",
  token_revoked: `Your access was withdrawn. ${SIGN_IN}`,
  too_many_requests: BUSY,
  too_many_streams: "Too many screens are open with this sign-in. Please close one.",
  unavailable: AWAY,
  venue_full: BUSY,
  // Refused until a new login.
  http_401: SIGN_IN,
  http_403: "This sign-in does not give access to this page.",
  http_404: "There is nothing here to follow.",
  http_410: "There is nothing here to follow any more.",
};

/** Return the sentence for `code`; without one, `said`, the server's own sentence. */
export function reasonFor(code, said) {
  return REASONS[code] ?? (typeof said === "string" && said ? said : AWAY);
}
