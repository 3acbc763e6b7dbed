// Follow a stream with `@microsoft/fetch-event-source`; print each event as a line of JSON.
import { createRequire } from "node:module";

globalThis.window = globalThis; // it was written for browsers
const { fetchEventSource } = createRequire(import.meta.url)("@microsoft/fetch-event-source");

const [url, token, ...types] = process.argv.slice(2);
fetchEventSource(url, {
  headers: { Authorization: `Bearer ${token}` },
  openWhenHidden: true,
  async onopen() {}, // accept any content type: another test checks ours
  onmessage({ event: type, data, id }) {
    if (types.includes(type)) console.log(JSON.stringify({ type, data, id }));
  },
  onclose() {
    throw new Error("closed"); // makes the client try again
  },
  onerror: () => 200, // ms until it tries again
});
