/**
 * A phone that can be put to sleep, though it is only a part of a page.
 *
 * `notifications.js` gets it in place of `document` and `window`. It passes on the
 * events of the real page, and sends freeze and resume events of its own, as a
 * browser does when its phone is locked and unlocked.
 */
export class Phone extends EventTarget {
  #isAsleep = false;

  constructor() {
    super();
    const passOn = (event) => {
      if (!this.#isAsleep) this.dispatchEvent(new event.constructor(event.type, event));
    };
    for (const type of ["visibilitychange", "freeze", "resume"]) {
      document.addEventListener(type, passOn);
    }
    for (const type of ["online", "offline", "pagehide", "pageshow"]) {
      window.addEventListener(type, passOn);
    }
  }

  get isAsleep() {
    return this.#isAsleep;
  }

  get visibilityState() {
    return this.#isAsleep ? "hidden" : document.visibilityState;
  }

  sleep() {
    this.#isAsleep = true;
    this.dispatchEvent(new Event("freeze"));
  }

  wake() {
    this.#isAsleep = false;
    this.dispatchEvent(new Event("resume"));
  }
}
