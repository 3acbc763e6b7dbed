/**
 * The requests and orders on one screen: a snapshot, kept up to date by events.
 *
 * The higher version wins: events may overtake a snapshot while it is loaded, and
 * an event may repeat what a snapshot already holds.
 */

const keyOf = (type, id) => `${type} ${id}`;
const isAhead = (ours, theirs) => !ours.isVoid && ours.version >= theirs.version;
const newer = (ours, theirs) => (ours && isAhead(ours, theirs) ? ours : theirs);

/** Make a ticket of a request or an order from the API. */
export const ticketOf = (type, tableNumber, data) => ({
  ...data, type, tableNumber, key: keyOf(type, data.id),
});

/** Return the tickets of a table in a snapshot. */
export const ticketsOf = ({ tableNumber, requests, orders }) => [
  ...requests.map((request) => ticketOf("request", tableNumber, request)),
  ...orders.map((order) => ticketOf("order", tableNumber, order)),
];

export class Tickets {
  #byKey = new Map();

  /** Oldest first. */
  get all() {
    return [...this.#byKey.values()].sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  /** Show only these tickets; changes from newer events are kept. */
  replace(tickets) {
    const known = this.#byKey;
    this.#byKey = new Map();
    for (const ticket of tickets) {
      this.#byKey.set(ticket.key, newer(known.get(ticket.key), ticket));
    }
  }

  /** Take the next data as newer: after a restore the server counts on from lower versions. */
  forgetVersions() {
    for (const ticket of this.#byKey.values()) ticket.isVoid = true;
  }

  add(ticket) {
    this.#byKey.set(ticket.key, newer(this.#byKey.get(ticket.key), ticket));
  }

  /** Apply `news` if newer; return false if there is no such ticket, or no longer. */
  update(key, news) {
    const ticket = this.#byKey.get(key);
    if (ticket && !isAhead(ticket, news)) {
      this.#byKey.set(key, { ...ticket, ...news, isVoid: false });
    }
    return Boolean(ticket);
  }

  /** Apply a request_update or order_update; return false if only a snapshot can say more. */
  apply({ requestId, orderId, tableNumber, status, version, timestamp }) {
    if (!version) return false;
    const key = requestId ? keyOf("request", requestId) : keyOf("order", orderId);
    // The snapshot that follows says which moves are allowed now.
    const news = { status, version, tableNumber, updatedAt: timestamp, allowed: undefined };
    return this.update(key, news);
  }

  /** Their table has gone to another waiter. */
  dropSession(sessionId) {
    for (const [key, ticket] of this.#byKey) {
      if (ticket.sessionId === sessionId) this.#byKey.delete(key);
    }
  }
}
