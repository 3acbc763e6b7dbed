/** Types of `notifications.js`; its header has the example. */

// made by `python -m notifications.contract`: events
export type AffectedData = "requests" | "orders" | "sessions" | "analytics" | "reviews" | "all";

/** What a sentence about an order names. */
export interface OrderParams {
  /** The number on the table. */
  tableNumber: number;
  /** How many items it has; null where the sender does not count them. */
  itemCount: number | null;
}

export type OrderStatus =
  | "New" | "Acknowledged" | "InProgress" | "Complete" | "Delivered" | "Paid" | "Cancelled"
  | "Rejected";

export type RequestStatus =
  | "New" | "Acknowledged" | "InProgress" | "Completed" | "OnHold" | "Cancelled" | "Done";

/** What a sentence about a table names. */
export interface TableParams {
  /** The number on the table. */
  tableNumber: number;
}

/** An order was placed (`previousStatus` null) or moved to another status. */
export interface OrderUpdate {
  /** The session at the table. */
  sessionId: string;
  /** Who holds the session now. */
  waiterId: string;
  /** The order that is meant. */
  orderId: string;
  /** The number on the table. */
  tableNumber: number;
  /** Where it stands now. */
  status: OrderStatus;
  /** Where it stood before; null where it is new. */
  previousStatus: OrderStatus | null;
  /** What has happened, in an English sentence. */
  message: string;
  /** Which sentence that is, for other languages. */
  code:
    | "order.new" | "order.acknowledged" | "order.in_progress" | "order.complete"
    | "order.delivered" | "order.paid" | "order.cancelled" | "order.rejected";
  /** What the sentence names, for other languages. */
  params: OrderParams;
  /** Whether something on the screen is out of date now. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null where the sender keeps no count. */
  version: number | null;
}

/** A request was raised (`previousStatus` null) or moved to another status. */
export interface RequestUpdate {
  /** The session at the table. */
  sessionId: string;
  /** Who holds the session now. */
  waiterId: string;
  /** The request that is meant. */
  requestId: string;
  /** The number on the table. */
  tableNumber: number;
  /** Where it stands now. */
  status: RequestStatus;
  /** Where it stood before; null where it is new. */
  previousStatus: RequestStatus | null;
  /** What has happened, in an English sentence. */
  message: string;
  /** Which sentence that is, for other languages. */
  code:
    | "request.new" | "request.acknowledged" | "request.in_progress" | "request.completed"
    | "request.on_hold" | "request.cancelled" | "request.done";
  /** What the sentence names, for other languages. */
  params: TableParams;
  /** Whether something on the screen is out of date now. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null where the sender keeps no count. */
  version: number | null;
}

/**
 * The session went from `previousWaiterId` to `waiterId`.
 *
 * The sentence has the transfer's public `cause` in brackets: shift change, break,
 * section change or workload.
 */
export interface SessionTransfer {
  /** The session at the table. */
  sessionId: string;
  /** Who holds the session now. */
  waiterId: string;
  /** Who held the session before. */
  previousWaiterId: string;
  /** The number on the table. */
  tableNumber: number;
  /** What has happened, in an English sentence. */
  message: string;
  /** Which sentence that is, for other languages. */
  code:
    | "transfer.shift_change" | "transfer.break" | "transfer.section_change" | "transfer.workload"
    | "transfer.other";
  /** What the sentence names, for other languages. */
  params: TableParams;
  /** Whether something on the screen is out of date now. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null where the sender keeps no count. */
  version: number | null;
}

/**
 * What each event type carries. Extend it by declaration merging for `types` of your own:
 * `declare module ".../notifications.js" { interface EventPayloads { promo: Promo } }`.
 */
export interface EventPayloads {
  order_update: OrderUpdate;
  request_update: RequestUpdate;
  session_transfer: SessionTransfer;
}
// end: events

/** What `onEvent` is called with; `type` tells which `data` it is. */
export type EventArguments = {
  [T in keyof EventPayloads]: [type: T, data: EventPayloads[T], id: string];
}[keyof EventPayloads];

/**
 * - `connecting`: opening, or lost a moment ago
 * - `live`: what is shown is true
 * - `offline`: the server cannot be reached; it keeps trying
 * - `refused`: trying is no use; stopped until `reconnect()`
 */
export type State = "connecting" | "live" | "offline" | "refused";

export interface StateDetail {
  /**
   * A closing code of the server (`session_closed`, `token_revoked`, `draining`, `server_full`,
   * ...), `http_` and a status (`http_403`), or one of `connection_lost`, `silence`,
   * `unreachable`, `no_network`, `asleep` (the page was frozen, or is not shown), `hurried` (too
   * many attempts were asked for). Absent while all is well.
   */
  code?: string;
  /** The same, as an English sentence for people. */
  reason?: string;
  /** The same, as the browser or the server put it; for logs. */
  technical?: string;
  /** When the next attempt is due, counted from this call. */
  retryInMs?: number;
}

/** What the module needs of its surroundings; it does without a `document`, `window` or `locks`. */
export interface Environment {
  EventSource: unknown;
  BroadcastChannel: unknown;
  /** Of which visibility, freezing and resuming are heard. */
  document: unknown;
  /** Of which going on- and offline, hiding and showing are heard. */
  window: unknown;
  /** Web Locks; without them, tabs do not share. */
  locks: unknown;
  fetch: unknown;
  setTimeout: unknown;
  clearTimeout: unknown;
  /** Milliseconds, rising, counting sleep. */
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
}

export interface Options {
  /**
   * `/sse/session/{id}` or `/sse/waiter/{id}`; may be of another origin. Absolute where there
   * is no page it could be relative to.
   */
  url: string;
  /** Where short-lived stream tokens are had. Default: `../token`, seen from `url`. */
  tokenUrl?: string;
  /**
   * Returns the app's own, full token, renewed if need be. Called at every start, and
   * before a stream token runs out. Where the service itself rejects it, the feed is
   * `refused`; where it throws, tried again later.
   */
  getToken(): string | Promise<string>;
  /** Go on after this id: a snapshot's `cursor`. Default: from now on. */
  lastEventId?: string;
  /** An event that is news: no duplicate, no older version than one seen before. */
  onEvent?(...event: EventArguments): void;
  /** What to load again; no ids means all of that kind. `["all"]`: events may be missing. */
  onRefresh?(affectedData: AffectedData[], affectedIds: string[]): void;
  onState?(state: State, detail: StateDetail): void;
  /**
   * Every message as it came, heartbeats and duplicates included; for logs. `data` that is no
   * JSON is a string, and comes here alone.
   */
  onRaw?(type: string, data: unknown, id: string): void;
  /** Event types to hear besides the server's own. Default: none. */
  types?: string[];
  /**
   * Whether the tabs of this browser that follow the same `url`, for the same `types`, share
   * one connection; they can on https and localhost alone. Default: true. It is opened with
   * one tab's login, so close the feed at a logout. Where tabs cannot share, one that is
   * hidden closes its stream, and resumes when it is shown.
   */
  share?: boolean;
  /** Replacements for the browser's things: an `EventSource` for Node.js, a clock for tests. */
  env?: Partial<Environment>;
}

export interface Feed {
  /** As last told; `closed` after `close()`, which tells nothing. */
  readonly state: State | "closed";
  /** Where it stands; a feed that is given this goes on from here. */
  readonly lastEventId: string | undefined;
  /** Try again now; the way back from `refused`, after a new login. */
  reconnect(): void;
  /** End it for good; calls nothing back any more. */
  close(): void;
}

/**
 * Follow one stream. Calls nothing back before it has returned; from within its callbacks
 * the feed may be closed and reconnected.
 */
export function connect(options: Options): Feed;
