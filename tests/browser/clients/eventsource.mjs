// Follow a stream with npm's `eventsource`; print each event as a line of JSON.
import { EventSource } from "eventsource";

const [url, token, ...types] = process.argv.slice(2);
const source = new EventSource(url, {
  fetch: (input, init) =>
    fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
});
for (const type of types) {
  source.addEventListener(type, ({ data, lastEventId: id }) => {
    console.log(JSON.stringify({ type, data, id }));
  });
}
setInterval(() => {}, 1_000); // its pause before a reconnect does not keep the process alive
