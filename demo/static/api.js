/** The REST API, as one signed-in person speaks it. */

// A guess: longer than any answer takes, shorter than people believe in a button.
const ANSWER_WITHIN_MS = 10_000;

// The service may be below a path of its host: this file is at ROOT/demo/static/.
const ROOT = new URL("../..", import.meta.url).pathname;

/** Where `path`, such as "/api/sessions", is on this host. */
export const located = (path) => ROOT + path.slice(1);

// From the service itself: trying again changes nothing about these.
const FINAL_STATUSES = [401, 403, 404];

/**
 * An answer that is no success, with the fields of its problem document. `isFinal`: the
 * service itself has refused; a proxy's or a captive portal's word is not final.
 */
export class Problem extends Error {
  constructor(status, document, isOurs) {
    super(document.detail ?? document.title ?? `The server answered ${status}.`);
    Object.assign(this, { status, document, isFinal: isOurs && FINAL_STATUSES.includes(status) });
  }
}

/** A key for `post`: sent again with the same one, a thing is done once. */
export function newKey() {
  // Not crypto.randomUUID(): a phone may have opened the page over plain http.
  return [...crypto.getRandomValues(new Uint32Array(4))].join("-");
}

/** Each call answers {status, document}, or throws: a Problem, or what kept the server away. */
export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  get(path) {
    return this.#ask("GET", path);
  }

  post(path, body, key) {
    return this.#ask("POST", path, body, key && { "Idempotency-Key": key });
  }

  patch(path, body) {
    return this.#ask("PATCH", path, body);
  }

  async #ask(method, path, body, headers) {
    const answer = await fetch(located(path), {
      method,
      headers: {
        ...(this.#token && { Authorization: `Bearer ${this.#token}` }),
        ...(body && { "Content-Type": "application/json" }),
        ...headers,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const type = answer.headers.get("Content-Type") ?? "";
    const document = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      throw new Problem(answer.status, document, type.startsWith("application/problem+json"));
    }
    return { status: answer.status, document };
  }
}
