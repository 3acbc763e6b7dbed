// Start a client with its defaults on each of the addresses.
// `npm(path)` imports a file of a package.
async ({ client, urls, npm }) => {
  const load = (path) => import(`${npm}/${path}`);
  const starters = {
    EventSource: () => (url) => new EventSource(url),
    "event-source-polyfill": async () => {
      await load("event-source-polyfill/src/eventsource.js");
      return (url) => new EventSourcePolyfill(url);
    },
    "extended-eventsource": async () => {
      const { EventSource } = await load("extended-eventsource/dist/index.esm.js");
      return (url) => new EventSource(url, { disableLogger: true });
    },
    "@microsoft/fetch-event-source": async () => {
      const { fetchEventSource } = await load("@microsoft/fetch-event-source/lib/esm/index.js");
      return (url) => void fetchEventSource(url, { openWhenHidden: true }).catch(() => {});
    },
    "reconnecting-eventsource": async () => {
      const { default: Source } = await load(
        "reconnecting-eventsource/build/esm/reconnecting-eventsource.js",
      );
      return (url) => new Source(url);
    },
    "react-native-sse": async () => {
      const { default: Source } = await load("react-native-sse/src/EventSource.js");
      return (url) => new Source(url).addEventListener("error", () => {});
    },
    "sse.js": async () => {
      const { SSE } = await load("sse.js/lib/sse.js");
      return (url) => new SSE(url).stream();
    },
  };
  const start = await starters[client]();
  window.started = [...(window.started ?? []), ...urls.map(start)]; // otherwise they are garbage-collected
};
