/**
 * The requests and orders on one screen: a snapshot, kept true by events.
 *
 * Versions decide: a snapshot may be overtaken by events while it travels, and
 * an event may tell what a snapshot already holds.
 */

const keyOf = (type, id) => `${type} ${id}`;
const isAhead = (ours, theirs) => !ours.isVoid && ours.version >= theirs.version;
const newer = (ours, theirs) => (ours && isAhead(ours, theirs) ? ours : theirs);

/** A request or an order, as the API answers it. */
export const ticketOf = (type, tableNumber, data) => ({
  ...data, type, tableNumber, key: keyOf(type, data.id),
});

/** The tickets of a table, as a snapshot has it. */
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

  /** Show these and no others; what events have told since is kept. */
  replace(tickets) {
    const known = this.#byKey;
    this.#byKey = new Map();
    for (const ticket of tickets) {
      this.#byKey.set(ticket.key, newer(known.get(ticket.key), ticket));
    }
  }

  /** Whatever comes next is newer: after a restore the server counts on from lower versions. */
  forgetVersions() {
    for (const ticket of this.#byKey.values()) ticket.isVoid = true;
  }

  add(ticket) {
    this.#byKey.set(ticket.key, newer(this.#byKey.get(ticket.key), ticket));
  }

  /** Take in what is newer than ours; false: there is none of that key, or no more. */
  update(key, news) {
    const ticket = this.#byKey.get(key);
    if (ticket && !isAhead(ticket, news)) {
      this.#byKey.set(key, { ...ticket, ...news, isVoid: false });
    }
    return Boolean(ticket);
  }

  /** Take in a request_update or order_update; false: only a snapshot can tell more. */
  apply({ requestId, orderId, status, version, timestamp }) {
    if (!version) return false;
    const key = requestId ? keyOf("request", requestId) : keyOf("order", orderId);
    // What is allowed from here on, the snapshot that follows will say.
    return this.update(key, { status, version, updatedAt: timestamp, allowed: undefined });
  }

  /** Their table has gone to another waiter. */
  dropSession(sessionId) {
    for (const [key, ticket] of this.#byKey) {
      if (ticket.sessionId === sessionId) this.#byKey.delete(key);
    }
  }
}
