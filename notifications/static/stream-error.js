/** Why there is no stream, and what to do about it. */

import { bounded, retryAfterMs } from "./bounds.js";
import { reasonFor } from "./reasons.js";

// From our service: a new attempt would get the same answer.
const FINAL_STATUSES = [401, 403, 404, 410];
// Reasons for which streams end. A client that was away gets the same codes as a refusal.
const ENDINGS = ["session_closed", "token_revoked"];

export class StreamError extends Error {
  /**
   * `code` is for programs, `message` for people, `technical` for logs. `waitMs`:
   * how long to wait at least. `isTimed`: the service has said exactly when to come
   * back, and spreads its clients. `isFinal`: a new attempt is of no use.
   */
  constructor(code, message, { technical, waitMs = 0, isTimed = false, isFinal = false } = {}) {
    super(message);
    Object.assign(this, { code, technical, waitMs, isTimed, isFinal });
  }

  /** An error that this module found. */
  static found(code, technical) {
    return new StreamError(code, reasonFor(code), { technical });
  }

  /** An answer that is not 200. Only an answer of our service (problem+json) is final. */
  static async answered(answer) {
    const type = answer.headers.get("Content-Type") ?? "";
    const isOurs = /^application\/problem\+json\b/i.test(type);
    const problem = (isOurs && (await answer.json().catch(() => null))) || {};
    const isFinal = isOurs && FINAL_STATUSES.includes(answer.status);
    const code = ENDINGS.includes(problem.code) ? problem.code : `http_${answer.status}`;
    return new StreamError(code, reasonFor(isFinal ? code : "unreachable", problem.detail), {
      technical: problem.detail ?? `${answer.status} ${answer.statusText}`,
      waitMs: retryAfterMs(answer.headers),
      isFinal,
    });
  }

  /** The data of a `closing` event, which may be anything. */
  static closing({ code, reason, reconnect, reconnectInMs }) {
    const isTimed = reconnectInMs !== undefined && reconnectInMs !== null;
    return new StreamError(String(code ?? "closed"), reasonFor(code, reason), {
      technical: reason,
      waitMs: isTimed ? bounded("reconnectInMs", reconnectInMs) : 0,
      isTimed,
      isFinal: reconnect === false,
    });
  }

  /** Any exception on the way to a stream. */
  static thrown(error) {
    if (error instanceof StreamError) return error;
    return StreamError.found("unreachable", String(error?.message ?? error));
  }
}
