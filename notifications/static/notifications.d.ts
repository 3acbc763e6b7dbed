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

/** What each event type carries. Extend it by declaration merging for `types` of your own. */
export interface EventPayloads {
  request_update: RequestUpdate;
  order_update: OrderUpdate;
  session_transfer: SessionTransfer;
}

/**
 * - `connecting`: opening, or lost a moment ago
 * - `live`: what is shown is true
 * - `offline`: the server cannot be reached; it keeps trying
 * - `refused`: trying is no use; stopped until `reconnect()`
 */
export type State = "connecting" | "live" | "offline" | "refused";

export interface StateDetail {
  /**
   * A closing code of the server (`session_closed`, `token_revoked`, `draining`, ...),
   * `http_` and a status (`http_403`), or one of `connection_lost`, `silence`, `unreachable`,
   * `no_network`, `asleep`. Absent while all is well.
   */
  code?: string;
  /** The same, for people. */
  reason?: string;
  /** When the next attempt is due, counted from this call. */
  retryInMs?: number;
}

export interface Options {
  /** `/sse/session/{id}` or `/sse/waiter/{id}`; may be of another origin. */
  url: string;
  /** Where short-lived stream tokens are had. Default: `../token`, seen from `url`. */
  tokenUrl?: string;
  /**
   * Returns the app's own, full token, renewed if need be. Called at every start, and
   * before a stream token runs out. Where the server rejects it, the feed is `refused`;
   * where it throws, tried again later.
   */
  getToken(): string | Promise<string>;
  /** Go on after this id: a snapshot's `cursor`. Default: from now on. */
  lastEventId?: string;
  /** An event that is news: no duplicate, no older version than one seen before. */
  onEvent?<T extends keyof EventPayloads>(type: T, data: EventPayloads[T], id: string): void;
  /** What to load again; no ids means all of that kind. `["all"]`: events may be missing. */
  onRefresh?(affectedData: AffectedData[], affectedIds: string[]): void;
  onState?(state: State, detail: StateDetail): void;
  /** Every message as it came, heartbeats and duplicates included; for logs. */
  onRaw?(type: string, data: unknown, id: string): void;
  /** Event types to hear besides the server's own. Default: none. */
  types?: string[];
  /**
   * Whether the tabs of this browser that follow the same `url`, for the same `types`, share
   * one connection; they can on https and localhost alone. Default: true. It is opened with
   * one tab's login, so close the feed at a logout.
   */
  share?: boolean;
  /** Replacements for the browser's things, for tests: `EventSource`, `fetch`, `now`, `locks`, ... */
  env?: Record<string, unknown>;
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
