// Start a client with its defaults on each of the addresses.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const starters = {
  eventsource: async () => {
    const { EventSource } = await import("eventsource");
    return (url) => new EventSource(url);
  },
  "eventsource-client": async () => {
    const { createEventSource } = await import("eventsource-client");
    return (url) => createEventSource({ url, onMessage() {} });
  },
  "launchdarkly-eventsource": async () => {
    const { EventSource } = require("launchdarkly-eventsource");
    return (url) => (new EventSource(url).onerror = () => {});
  },
};

const [client, ...urls] = process.argv.slice(2);
const start = await starters[client]();
urls.forEach(start);
setInterval(() => {}, 1_000); // the test finds out whether the clients have given up
