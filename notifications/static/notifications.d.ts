/** Types of `notifications.js`; its header has the example. */

// made by `python -m notifications.contract`: events
export type AffectedData = "requests" | "orders" | "sessions" | "analytics" | "reviews" | "all";

/** The values in a sentence about an offer. */
export interface HandoverParams {
  /** Who offers the sessions. */
  fromWaiterId: string;
  /** Whom they are offered to. */
  toWaiterId: string;
  /** How many sessions there are. */
  sessionCount: number;
}

export type OfferOutcome = "accepted" | "declined" | "withdrawn" | "expired";

/** The values in a sentence about an order. */
export interface OrderParams {
  /** The number on the table. */
  tableNumber: number;
  /** How many items it has; null if the sender does not count them. */
  itemCount: number | null;
}

export type OrderStatus =
  | "New" | "Acknowledged" | "InProgress" | "Complete" | "Delivered" | "Paid" | "Cancelled"
  | "Rejected";

export type RequestStatus =
  | "New" | "Acknowledged" | "InProgress" | "Completed" | "OnHold" | "Cancelled" | "Done";

/** The values in a sentence about a table. */
export interface TableParams {
  /** The number on the table. */
  tableNumber: number;
}

export type SessionNews = "opened" | "closed" | "reopened" | "moved";

/** The values in a sentence about a shift. */
export interface ShiftParams {
  /** Whose shift it is. */
  waiterId: string;
}

/** `fromWaiterId` offers sessions to `toWaiterId`. None of them has moved. */
export interface HandoverOffered {
  /** The offer. */
  offerId: string;
  /** Who offers the sessions. */
  fromWaiterId: string;
  /** Whom they are offered to. */
  toWaiterId: string;
  /** The sessions that are offered. */
  sessionIds: string[];
  /** How the offer ended; null while it is open. */
  outcome: OfferOutcome | null;
  /** When the offer expires, in UTC. */
  expiresAt: string;
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code: "handover.offered";
  /** The values in the sentence, for other languages. */
  params: HandoverParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
}

/**
 * The offer ended.
 *
 * Once it is `accepted`, each of its sessions has a `session_transfer` of its own.
 */
export interface HandoverSettled {
  /** The offer. */
  offerId: string;
  /** Who offers the sessions. */
  fromWaiterId: string;
  /** Whom they are offered to. */
  toWaiterId: string;
  /** The sessions that are offered. */
  sessionIds: string[];
  /** How the offer ended; null while it is open. */
  outcome: OfferOutcome | null;
  /** When the offer expires, in UTC. */
  expiresAt: string;
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code: "handover.accepted" | "handover.declined" | "handover.withdrawn" | "handover.expired";
  /** The values in the sentence, for other languages. */
  params: HandoverParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
}

/** An order was placed (`previousStatus` null) or moved to another status. */
export interface OrderUpdate {
  /** The session at the table. */
  sessionId: string;
  /** Who holds the session now. */
  waiterId: string;
  /** The id of the order. */
  orderId: string;
  /** The number on the table. */
  tableNumber: number;
  /** The status after this change. */
  status: OrderStatus;
  /** The status before this change; null for a new order. */
  previousStatus: OrderStatus | null;
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code:
    | "order.new" | "order.acknowledged" | "order.in_progress" | "order.complete"
    | "order.delivered" | "order.paid" | "order.cancelled" | "order.rejected";
  /** The values in the sentence, for other languages. */
  params: OrderParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null if the sender keeps no versions. */
  version: number | null;
}

/** A request was raised (`previousStatus` null) or moved to another status. */
export interface RequestUpdate {
  /** The session at the table. */
  sessionId: string;
  /** Who holds the session now. */
  waiterId: string;
  /** The id of the request. */
  requestId: string;
  /** The number on the table. */
  tableNumber: number;
  /** The status after this change. */
  status: RequestStatus;
  /** The status before this change; null for a new request. */
  previousStatus: RequestStatus | null;
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code:
    | "request.new" | "request.acknowledged" | "request.in_progress" | "request.completed"
    | "request.on_hold" | "request.cancelled" | "request.done";
  /** The values in the sentence, for other languages. */
  params: TableParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null if the sender keeps no versions. */
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
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code:
    | "transfer.shift_change" | "transfer.break" | "transfer.section_change" | "transfer.workload"
    | "transfer.other";
  /** The values in the sentence, for other languages. */
  params: TableParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null if the sender keeps no versions. */
  version: number | null;
}

/** A session was opened, closed or reopened, or its guests moved to `tableNumber`. */
export interface SessionUpdate {
  /** The session at the table. */
  sessionId: string;
  /** Who holds the session now. */
  waiterId: string;
  /** The number on the table. */
  tableNumber: number;
  /** What has happened. */
  change: SessionNews;
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code: "session.opened" | "session.closed" | "session.reopened" | "session.moved";
  /** The values in the sentence, for other languages. */
  params: TableParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
  /** Rises by one with each change; null if the sender keeps no versions. */
  version: number | null;
}

/** The shift of `waiterId` started or ended. */
export interface ShiftUpdate {
  /** Whose shift it is. */
  waiterId: string;
  /** Whether the waiter is on shift now. */
  onShift: boolean;
  /** What happened, as an English sentence. */
  message: string;
  /** The code of the sentence, for other languages. */
  code: "shift.started" | "shift.ended";
  /** The values in the sentence, for other languages. */
  params: ShiftParams;
  /** Whether data on the screen is now out of date. */
  requiresRefresh: boolean;
  /** When it happened, in UTC. */
  timestamp: string;
}

/**
 * What each event type carries. Extend it by declaration merging for `types` of your own:
 * `declare module ".../notifications.js" { interface EventPayloads { promo: Promo } }`.
 */
export interface EventPayloads {
  handover_offered: HandoverOffered;
  handover_settled: HandoverSettled;
  order_update: OrderUpdate;
  request_update: RequestUpdate;
  session_transfer: SessionTransfer;
  session_update: SessionUpdate;
  shift_update: ShiftUpdate;
}
// end: events

/** The arguments of `onEvent`; `type` determines the type of `data`. */
export type EventArguments = {
  [T in keyof EventPayloads]: [type: T, data: EventPayloads[T], id: string];
}[keyof EventPayloads];

/**
 * - `connecting`: opening, or lost a moment ago
 * - `live`: the screen is up to date
 * - `offline`: the server cannot be reached; the feed keeps trying
 * - `refused`: trying again is of no use; stopped until `reconnect()`
 */
export type State = "connecting" | "live" | "offline" | "refused";

export interface StateDetail {
  /**
   * A closing code of the server (`session_closed`, `token_revoked`, `draining`, `server_full`,
   * ...), `http_` and a status (`http_403`), or one of `connection_lost`, `silence`,
   * `unreachable`, `no_network`, `asleep` (the page was frozen, or is hidden), `hurried` (too
   * many attempts in a short time). Absent if nothing is wrong.
   */
  code?: string;
  /** The same as an English sentence for people. */
  reason?: string;
  /** The same in the words of the browser or the server, for logs. */
  technical?: string;
  /** When the next attempt is due, counted from this call. */
  retryInMs?: number;
}

/** What the module uses of its environment. `document`, `window` and `locks` may be missing. */
export interface Environment {
  EventSource: unknown;
  BroadcastChannel: unknown;
  /** Source of the events for visibility, freezing and resuming. */
  document: unknown;
  /** Source of the events for going online and offline, hiding and showing. */
  window: unknown;
  /** Web Locks; without them, tabs do not share. */
  locks: unknown;
  fetch: unknown;
  setTimeout: unknown;
  clearTimeout: unknown;
  /** Milliseconds that never go back and include the time a device sleeps. */
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
}

export interface Options {
  /**
   * `/sse/session/{id}` or `/sse/waiter/{id}`; may be of another origin. Must be absolute
   * where there is no page, as in Node.js.
   */
  url: string;
  /** Where to get short-lived stream tokens. Default: `../token`, relative to `url`. */
  tokenUrl?: string;
  /**
   * Returns the app's own, full token, renewed if necessary. Called at every start, and
   * before a stream token expires. If the service rejects the token, the feed is
   * `refused`. If this function throws, it is called again later.
   */
  getToken(): string | Promise<string>;
  /** Continue after this id: a snapshot's `cursor`. Default: from now on. */
  lastEventId?: string;
  /** Called with each new event: no duplicates, and no versions older than one seen before. */
  onEvent?(...event: EventArguments): void;
  /** What to load again; no ids means all of that kind. `["all"]`: events may be missing. */
  onRefresh?(affectedData: AffectedData[], affectedIds: string[]): void;
  onState?(state: State, detail: StateDetail): void;
  /**
   * Called with every message, heartbeats and duplicates included; for logs. `data` that is not
   * JSON is a string, and only this callback gets it.
   */
  onRaw?(type: string, data: unknown, id: string): void;
  /** Event types to listen for besides the server's own. Default: none. */
  types?: string[];
  /**
   * Whether the tabs of this browser that follow the same `url`, for the same `types`, share
   * one connection; this works only on https and localhost. Default: true. The connection is
   * opened with one tab's login, so close the feed at a logout. Where tabs cannot share, a
   * hidden tab closes its stream, and resumes when it is shown.
   */
  share?: boolean;
  /** Replacements for parts of the browser: an `EventSource` for Node.js, a clock for tests. */
  env?: Partial<Environment>;
}

export interface Feed {
  /** The state last given to `onState`; `closed` after `close()`, which calls nothing. */
  readonly state: State | "closed";
  /** The id of the last event; a new feed that is given this continues after it. */
  readonly lastEventId: string | undefined;
  /** Try again now. After `refused` and a new login, this is how to start again. */
  reconnect(): void;
  /** End the feed for good; no callback is called any more. */
  close(): void;
}

/**
 * Follow one stream. No callback is called before this function has returned. Callbacks
 * may close and reconnect the feed.
 */
export function connect(options: Options): Feed;
