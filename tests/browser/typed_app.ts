// An app in TypeScript; tests have it checked, nobody runs it.
import { connect, type Feed, type State } from "../../notifications/static/notifications.js";

declare function show(text: string): void;
declare function token(): Promise<string>;

const feed: Feed = connect({
  url: "/sse/waiter/anna",
  getToken: token,
  lastEventId: "k3f9a1-42",
  onEvent(type, data, id) {
    if (type === "session_transfer") show(`${id}: ${data.waiterId}`);
  },
  onRefresh(affectedData, affectedIds) {
    if (affectedData.includes("orders")) show(affectedIds.join());
    // @ts-expect-error: there is no such data
    affectedData.includes("desserts");
  },
  onState(state, { reason, retryInMs }) {
    const signs: Record<State, string> = { connecting: "…", live: "●", offline: "○", refused: "✕" };
    show(`${signs[state]} ${reason ?? ""} ${(retryInMs ?? 0) / 1000} s`);
  },
});

feed.reconnect();
feed.close();
if (feed.state === "closed") show("bye");
show(feed.lastEventId ?? feed.state);
// @ts-expect-error: it cannot be had without a token
connect({ url: "/sse/waiter/anna" });
// @ts-expect-error: states are for reading
feed.state = "live";
