// An app in TypeScript that tests compile and do not run.
import {
  connect, type EventArguments, type Feed, type OrderStatus, type State,
} from "../../notifications/static/notifications.js";

declare module "../../notifications/static/notifications.js" {
  interface EventPayloads {
    promo: { percent: number };
  }
}

declare function show(text: string): void;
declare function token(): Promise<string>;

const feed: Feed = connect({
  url: "/sse/waiter/anna",
  getToken: token,
  lastEventId: "k3f9a1-42",
  onEvent(type, data, id) {
    if (type === "session_transfer") show(`${id}: ${data.previousWaiterId}`);
    if (type === "request_update") show(data.requestId);
    // @ts-expect-error: an order has no request
    if (type === "order_update") show(data.requestId);
    // @ts-expect-error: there is no such type
    if (type === "desserts") show(id);
    switch (type) {
      case "order_update": {
        const status: OrderStatus = data.status;
        show(status);
        break;
      }
      case "promo":
        show(`${data.percent} %`);
    }
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

function hear(...[type, data]: EventArguments) {
  if (type === "session_transfer") show(data.waiterId);
}
class Source {}
connect({
  url: "https://example.com/sse/waiter/anna", getToken: token, onEvent: hear,
  env: { EventSource: Source, now: () => 0 },
});

feed.reconnect();
feed.close();
if (feed.state === "closed") show("bye");
show(feed.lastEventId ?? feed.state);
// @ts-expect-error: a token is required
connect({ url: "/sse/waiter/anna" });
// @ts-expect-error: states are read-only
feed.state = "live";
