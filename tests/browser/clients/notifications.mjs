// Follow a stream with our own notifications.js; print each event as a line of JSON.
import { EventSource } from "eventsource";
import { connect } from "../../../notifications/static/notifications.js";

const [url, token, ...types] = process.argv.slice(2);
connect({
  url,
  getToken: () => token,
  onRaw(type, data, id) {
    if (types.includes(type)) console.log(JSON.stringify({ type, data: JSON.stringify(data), id }));
  },
  env: { EventSource },
});
