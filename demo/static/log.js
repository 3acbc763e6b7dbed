/** What the server sent, as it came; newest on top. */

import { copyOf, part, setText } from "./render.js";

const MAX_LINES = 200;

export class Log {
  #lines;

  constructor(root) {
    this.#lines = part(root, "lines");
    const beats = part(root, "beats");
    beats.onchange = () => this.#lines.classList.toggle("with-beats", beats.checked);
  }

  /** Return the function that writes down one person's messages. */
  for(name) {
    return (type, data, id) => {
      const line = copyOf("line");
      line.dataset.type = type;
      line.dataset.who = name;
      setText(part(line, "time"), new Date().toLocaleTimeString([], { hour12: false }));
      setText(part(line, "who"), name);
      setText(part(line, "type"), type);
      setText(part(line, "gist"), data.message ?? data.reason ?? "");
      const idLine = type === "heartbeat" || !id ? "" : `\nid: ${id}`;
      setText(part(line, "data"), JSON.stringify(data, null, 2) + idLine);
      this.#lines.prepend(line);
      if (this.#lines.children.length > MAX_LINES) this.#lines.lastElementChild.remove();
    };
  }
}
