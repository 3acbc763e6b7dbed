/** The REST API, called with one signed-in person's token. */

// A guess: longer than any answer takes, shorter than people wait after pressing a button.
const ANSWER_WITHIN_MS = 10_000;

// The service may be below a path of its host: this file is at ROOT/demo/static/.
const ROOT = new URL("../..", import.meta.url).pathname;

/** Return the address on this host of a `path` such as "/api/sessions". */
export const located = (path) => ROOT + path.slice(1);

// A new attempt would get the same answer.
const FINAL_STATUSES = [401, 403, 404];

/** The service's refusal of a call, with the fields of its problem document. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `The server answered ${status}.`);
    Object.assign(this, { status, document, isFinal: FINAL_STATUSES.includes(status) });
  }
}

/** Return a key for `post`: calls with the same key are carried out once. */
export function newKey() {
  // Not crypto.randomUUID(): a phone may have opened the page over plain http.
  return [...crypto.getRandomValues(new Uint32Array(4))].join("-");
}

/**
 * Each call answers {status, document}, or throws: a Problem, or the error that kept the
 * call from the service. Only JSON counts as an answer of the service: a captive portal
 * answers every call with 200 and a page of its own, and does not pass the call on.
 */
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
      redirect: "error", // to a login page, for example: the service never redirects
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const [type] = (answer.headers.get("Content-Type") ?? "").split(";");
    if (type !== (answer.ok ? "application/json" : "application/problem+json")) {
      throw new Error(`The answer ${answer.status} ${type} is not from this service.`);
    }
    const document = await answer.json();
    if (!answer.ok) throw new Problem(answer.status, document);
    return { status: answer.status, document };
  }
}
