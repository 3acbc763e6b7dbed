/** Why there is no stream, and what to make of it. */

import { bounded, retryAfterMs } from "./bounds.js";
import { reasonFor } from "./reasons.js";

// From our service: trying again changes nothing about these.
const FINAL_STATUSES = [401, 403, 404, 410];
// Ends that a client which was away learns of by a refusal; they keep their codes.
const ENDINGS = ["session_closed", "token_revoked"];

export class StreamError extends Error {
  /**
   * `code` is for programs, `message` for people, `technical` for logs. `waitMs`:
   * how long to wait at least. `isTimed`: the service has said exactly when to come
   * back, spread over its clients. `isFinal`: trying is no use.
   */
  constructor(code, message, { technical, waitMs = 0, isTimed = false, isFinal = false } = {}) {
    super(message);
    Object.assign(this, { code, technical, waitMs, isTimed, isFinal });
  }

  /** One that we found by ourselves. */
  static found(code, technical) {
    return new StreamError(code, reasonFor(code), { technical });
  }

  /** Of an answer that is not 200. Only our service's own word is final: problem+json. */
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

  /** Of a `closing` event's data, whatever that is. */
  static closing({ code, reason, reconnect, reconnectInMs }) {
    const isTimed = reconnectInMs !== undefined && reconnectInMs !== null;
    return new StreamError(String(code ?? "closed"), reasonFor(code, reason), {
      technical: reason,
      waitMs: isTimed ? bounded("reconnectInMs", reconnectInMs) : 0,
      isTimed,
      isFinal: reconnect === false,
    });
  }

  /** Of whatever was thrown on the way to a stream. */
  static thrown(error) {
    if (error instanceof StreamError) return error;
    return StreamError.found("unreachable", String(error?.message ?? error));
  }
}
