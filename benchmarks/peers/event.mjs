// The event every Node peer sends: the same twelve keys, some 370 bytes with its framing.
const pad = (value, width) => String(value).padStart(width, "0");

// The event's data, stamped now (nanoseconds of the monotonic clock).
export const orderUpdate = (sequence) => ({
  sessionId: "session-123",
  waiterId: "waiter-456",
  orderId: `bench.${pad(sequence, 10)}.${pad(process.hrtime.bigint(), 19)}`,
  tableNumber: 5,
  status: "Complete",
  previousStatus: "InProgress",
  message: "Your order has been completed (3 items) - Table 5",
  code: "order.complete",
  params: { tableNumber: 5, itemCount: 3 },
  requiresRefresh: true,
  timestamp: "2024-01-15T10:30:00.000Z",
  version: 4,
});

// Publish `count` events to channels prefix0, prefix1, ... in turn, `rate` a second;
// rate 0: back to back.
export async function publishAll({ prefix, channels, first, count, rate }, publish) {
  const begin = performance.now();
  for (let k = 0; k < count; k++) {
    if (rate > 0) {
      const wait = begin + (k * 1000) / rate - performance.now();
      await new Promise((resume) =>
        wait > 0 ? setTimeout(resume, wait) : setImmediate(resume));
    }
    const sequence = first + k;
    publish(`${prefix}${sequence % channels}`, sequence);
  }
  return { sent: count, elapsed_ms: performance.now() - begin };
}

export const plan = (query) => ({
  prefix: query.get("prefix"),
  channels: Number(query.get("channels")),
  first: Number(query.get("first")),
  count: Number(query.get("count")),
  rate: Number(query.get("rate")),
});
