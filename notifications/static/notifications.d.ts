/** Types of `notifications.js`; its header has the example. */

export type RequestStatus =
  | "New" | "Acknowledged" | "InProgress" | "Completed" | "OnHold" | "Cancelled" | "Done";
export type OrderStatus =
  | "New" | "Acknowledged" | "InProgress" | "Complete" | "Delivered" | "Paid" | "Cancelled"
  | "Rejected";
export type AffectedData = "requests" | "orders" | "sessions" | "analytics" | "reviews" | "all";

interface Update {
  sessionId: string;
  waiterId: string;
  tableNumber: number;
  /** A sentence to show as it is. */
  message: string;
  requiresRefresh: boolean;
  /** When it happened: ISO 8601, UTC. */
  timestamp: string;
  /** Rises with every change of the thing; null where the sender keeps no count. */
  version: number | null;
}

export interface RequestUpdate extends Update {
  requestId: string;
  status: RequestStatus;
  /** Null for a new request. */
  previousStatus: RequestStatus | null;
}

export interface OrderUpdate extends Update {
  orderId: string;
  status: OrderStatus;
  /** Null for a new order. */
  previousStatus: OrderStatus | null;
}

/** `waiterId` is the new waiter. */
export interface SessionTransfer extends Update {
  previousWaiterId: string;
}

/**
 * What each event type carries. Extend it by declaration merging for `types` of your own:
 * `declare module ".../notifications.js" { interface EventPayloads { promo: Promo } }`.
 */
export interface EventPayloads {
  request_update: RequestUpdate;
  order_update: OrderUpdate;
  session_transfer: SessionTransfer;
}

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
