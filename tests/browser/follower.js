/**
* The least that an app does with notifications.js: load a snapshot, follow the stream
 * from it, compare versions. `follower.state()` is what its screen would show.
 */
async ({ path, snapshotPath, options }) => {
  const { connect } = await import("/sse/static/notifications.js");
  const things = new Map();
  const seen = { ids: [], states: [], refreshes: [], raw: [] };

  let isStale = false;
  let startsOver = false;

  async function load() {
    isStale = true;
    if (startsOver) things.clear();
    startsOver = false;
    const headers = { Authorization: `Bearer ${await window.getToken()}` };
    const answer = await fetch(snapshotPath, { headers });
    if (!answer.ok) return {};
    const snapshot = await answer.json();
    for (const { id, status, version } of [...snapshot.requests, ...snapshot.orders]) {
      if (!(things.get(id)?.version > version)) things.set(id, { status, version });
    }
    isStale = false;
    return snapshot;
  }

  const reload = () => load().catch(() => {}); // loaded again once the feed is live

  // Time runs faster in tests that wait for timeouts.
  const { hurry = 1, ...rest } = options;
  const env = { setTimeout: (act, ms) => setTimeout(act, Math.min(ms / hurry, 2 ** 31 - 1)) };
  if (options.locks === false) env.locks = undefined;
  const { cursor } = await load();
  window.follower = {
    seen,
    state: () => Object.fromEntries([...things].map(([id, thing]) => [id, thing])),
    feed: connect({
      url: path,
      getToken: () => window.getToken(),
      lastEventId: cursor,
      onEvent(type, { requestId, orderId, status, version }, id) {
        seen.ids.push(id);
        if (status) things.set(requestId ?? orderId, { status, version });
      },
      onRefresh(affectedData, affectedIds) {
        seen.refreshes.push({ affectedData, affectedIds });
        if (!affectedData.includes("all")) return;
        startsOver = true;
        reload();
      },
      onState(state, detail) {
        seen.states.push({ state, ...detail });
        if (state === "live" && isStale) reload();
      },
      onRaw: (type, data) => seen.raw.push({ type, data }),
      ...rest,
      env,
    }),
  };
};
