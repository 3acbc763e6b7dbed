/** The messages of the server as they came, and lost connections; newest on top. */

import { copyOf, part, setText } from "./render.js";
import { STATUS_LABELS } from "./words.js";

const MAX_LINES = 200;

export class Log {
  #lines;

  /** Heartbeats and refreshes are many and say little, so they are shown only on request. */
  constructor(root) {
    this.#lines = part(root, "lines");
    const beats = part(root, "beats");
    beats.onchange = () => this.#lines.classList.toggle("with-beats", beats.checked);
    const refreshes = part(root, "refreshes");
    refreshes.onchange = () => this.#lines.classList.toggle("with-refreshes", refreshes.checked);
  }

  /** Return the function that logs one person's messages. */
  for(name) {
    return (type, data, id) => {
      const line = copyOf("line");
      line.dataset.type = type;
      line.dataset.who = name;
      setText(part(line, "time"), new Date().toLocaleTimeString([], { hour12: false }));
      setText(part(line, "who"), name);
      setText(part(line, "type"), type);
      setText(part(line, "gist"), gistOf(data));
      const idLine = type === "heartbeat" || !id ? "" : `\nid: ${id}`;
      setText(part(line, "data"), JSON.stringify(data, null, 2) + idLine);
      this.#lines.prepend(line);
      if (this.#lines.children.length > MAX_LINES) this.#lines.lastElementChild.remove();
    };
  }
}

/** Return "Table 7: New → Acknowledged" for a change, and an event's own sentence otherwise. */
function gistOf({ tableNumber, previousStatus, status, message, reason }) {
  if (!status) return message ?? reason ?? "";
  const now = STATUS_LABELS[status] ?? status;
  const before = previousStatus ? `${STATUS_LABELS[previousStatus] ?? previousStatus} → ` : "";
  return `Table ${tableNumber}: ${before}${now}`;
}
