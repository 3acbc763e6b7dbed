// better-sse on plain Node http: one Channel object per channel.
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";
import { orderUpdate, plan, publishAll } from "./event.mjs";

const channels = new Map();

function channel(name) {
  let found = channels.get(name);
  if (!found) channels.set(name, (found = createChannel()));
  return found;
}

createServer(async (req, res) => {
  const url = new URL(req.url, "http://127.0.0.1");
  if (req.method === "GET" && url.pathname.startsWith("/stream/")) {
    const session = await createSession(req, res, { keepAlive: 30_000 });
    channel(url.pathname.slice("/stream/".length)).register(session);
  } else if (req.method === "POST" && url.pathname === "/publish") {
    const answer = await publishAll(plan(url.searchParams), (name, sequence) =>
      channel(name).broadcast(orderUpdate(sequence), "order_update", {
        eventId: String(sequence),
      }));
    res.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  } else {
    res.writeHead(404).end();
  }
}).listen(Number(process.env.PORT), "127.0.0.1", 4096);
