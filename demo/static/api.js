/** The REST API, as one signed-in person speaks it. */

/** An answer that is no success, with the fields of its problem document. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `The server answered ${status}.`);
    Object.assign(this, { status, document });
  }
}

export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  get(path) {
    return this.#ask("GET", path);
  }

  post(path, body) {
    return this.#ask("POST", path, body);
  }

  patch(path, body) {
    return this.#ask("PATCH", path, body);
  }

  async #ask(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, headers, body: JSON.stringify(body) });
    const document = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Problem(answer.status, document);
    return document;
  }
}
