/**
 * The requests and orders on one screen: a snapshot, kept true by events.
 *
 * Versions decide: a snapshot may be overtaken by events while it travels, and
 * an event may tell what a snapshot already holds.
 */

const keyOf = (type, id) => `${type} ${id}`;

export class Tickets {
  #byKey = new Map();

  /** Oldest first. */
  get all() {
    return [...this.#byKey.values()].sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  /** The tickets of a table, as a snapshot has it. */
  static of({ tableNumber, requests, orders }) {
    const ticket = (type, data) => ({ ...data, type, tableNumber, key: keyOf(type, data.id) });
    return [
      ...requests.map((request) => ticket("request", request)),
      ...orders.map((order) => ticket("order", order)),
    ];
  }

  /** Show these and no others; what events have told since is kept. */
  replace(tickets) {
    const known = this.#byKey;
    this.#byKey = new Map();
    for (const ticket of tickets) {
      const ours = known.get(ticket.key);
      this.#byKey.set(ticket.key, ours?.version > ticket.version ? ours : ticket);
    }
  }

  /** Take in a request_update or order_update; false: only a snapshot can tell more. */
  apply({ requestId, orderId, status, version, timestamp }) {
    const key = requestId ? keyOf("request", requestId) : keyOf("order", orderId);
    const ticket = this.#byKey.get(key);
    if (!ticket || !version) return false;
    const isNews = version > ticket.version;
    if (isNews) this.#byKey.set(key, { ...ticket, status, version, updatedAt: timestamp });
    return true;
  }

  /** Their table has gone to another waiter. */
  dropSession(sessionId) {
    for (const [key, ticket] of this.#byKey) {
      if (ticket.sessionId === sessionId) this.#byKey.delete(key);
    }
  }
}
