/** The short-lived tokens that open streams: EventSource cannot send the app's own token. */

import { bounded } from "./bounds.js";
import { StreamError } from "./stream-error.js";

// With a fifth of a ten-minute token left, the server may be away for two
// minutes before the stream ends.
const RENEW_AT = 0.8;

export class StreamTokens {
  #options;
  #env;
  #token = null; // {text, staleAt}

  /** Options: `url` and `tokenUrl`, absolute; `getToken()`, the app's; `env`. */
  constructor({ url, tokenUrl, getToken, env }) {
    this.#options = { url, tokenUrl, getToken };
    this.#env = env;
  }

  /** When the current token should be renewed. */
  get staleAt() {
    return this.#token?.staleAt ?? -Infinity;
  }

  /** Return a token that is good for a while; throws a StreamError, or what fetch throws. */
  async fresh(signal) {
    if (this.#env.now() >= this.staleAt) await this.renew(signal);
    return this.#token.text;
  }

  /** Fetch a new token. A refusal by the service is final: it has checked the stream too. */
  async renew(signal) {
    const { url, tokenUrl } = this.#options;
    const askedAt = this.#env.now();
    const headers = {
      Authorization: `Bearer ${await this.#appsToken()}`,
      "Content-Type": "application/json",
    };
    const body = JSON.stringify({ stream: streamIn(url) });
    const answer = await this.#env.fetch(tokenUrl, { method: "POST", headers, body, signal });
    if (!answer.ok) throw await StreamError.answered(answer);
    const { token, expiresIn } = Object(await answer.json());
    if (typeof token !== "string" || !token) throw new Error("the answer holds no token");
    if (signal.aborted) return; // the token of another login may be here already
    const lifeMs = 1_000 * bounded("expiresInSeconds", expiresIn);
    this.#token = { text: token, staleAt: askedAt + RENEW_AT * lifeMs };
  }

  /** Drop the token: the next one may be of another login. */
  forget() {
    this.#token = null;
  }

  async #appsToken() {
    try {
      return await this.#options.getToken();
    } catch (error) {
      const failed = StreamError.thrown(error);
      if (error?.message) failed.message = error.message; // the app's own sentence for people
      throw failed;
    }
  }
}

/** The stream's path as the service knows it; undefined if a proxy renames it. */
function streamIn(url) {
  const { pathname } = new URL(url);
  const start = pathname.lastIndexOf("/sse/");
  return start < 0 ? undefined : pathname.slice(start);
}
