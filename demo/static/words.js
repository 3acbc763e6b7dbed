/** The texts on the screens, and which moves they offer. The server decides which are legal. */

import { Problem } from "./api.js";

export const KINDS = { water: "Water", bill: "The bill", waiter: "Waiter", napkins: "Napkins" };

/** The state of the connection: by the feed's state, or by the code if that says more. */
export const LINK_WORDS = {
  connecting: "Connecting",
  live: "Live",
  offline: "Offline",
  refused: "Signed out",
  session_closed: "Closed",
};

const ENDINGS = {
  session_closed: "This table is closed. Thank you, and see you soon!",
  token_revoked: "This phone’s access was withdrawn.",
};

export const STATUS_LABELS = {
  New: "New",
  Acknowledged: "Acknowledged",
  InProgress: "In progress",
  Completed: "Completed",
  OnHold: "On hold",
  Cancelled: "Cancelled",
  Done: "Done",
  Complete: "Ready",
  Delivered: "Delivered",
  Paid: "Paid",
  Rejected: "Rejected",
};

/** For waiters: [status, label], the usual move first. */
export const WAITER_MOVES = {
  request: {
    New: [["Acknowledged", "Acknowledge"], ["OnHold", "Later"]],
    Acknowledged: [["Completed", "Complete"], ["New", "Undo"]],
    InProgress: [["Completed", "Complete"], ["Acknowledged", "Undo"]],
    OnHold: [["Acknowledged", "Acknowledge"], ["Completed", "Complete"]],
    Completed: [["Done", "Done"], ["InProgress", "Undo"]],
  },
  order: {
    New: [["Acknowledged", "Acknowledge"], ["Rejected", "Reject"]],
    Acknowledged: [["InProgress", "Start cooking"], ["New", "Undo"]],
    InProgress: [["Complete", "Ready"], ["Acknowledged", "Undo"]],
    Complete: [["Delivered", "Delivered"], ["InProgress", "Undo"]],
    Delivered: [["Paid", "Paid"], ["Complete", "Undo"]],
  },
};

/** For the kitchen. A waiter accepts an order before it is cooked. */
export const KITCHEN_MOVES = {
  Acknowledged: [["InProgress", "Start cooking"]],
  InProgress: [["Complete", "Ready"], ["Acknowledged", "Undo"]],
  Complete: [["InProgress", "Undo"]],
};

const CANCEL = [["Cancelled", "Cancel"]];

/** For guests, in the same form. */
export const GUEST_MOVES = {
  request: {
    New: CANCEL, Acknowledged: CANCEL, OnHold: CANCEL, Completed: [["Done", "Thank you"]],
  },
  order: { New: CANCEL },
};

/** The sentence that a guest reads under a ticket; `waiter` is a name. */
export function guestSentence({ type, status }, waiter) {
  const sentences = {
    request: {
      New: `Sent to ${waiter}.`,
      Acknowledged: `${waiter} has seen it.`,
      InProgress: `${waiter} is on it.`,
      OnHold: "It will take a little longer.",
      Completed: "Here you are.",
      Done: "Done.",
      Cancelled: "Cancelled.",
    },
    order: {
      New: "Sent.",
      Acknowledged: `${waiter} has taken it to the kitchen.`,
      InProgress: "Being prepared.",
      Complete: "Ready, on its way to you.",
      Delivered: "Enjoy!",
      Paid: "Paid. Thank you!",
      Cancelled: "Cancelled.",
      Rejected: "Sorry, we cannot serve this today.",
    },
  };
  return sentences[type][status] ?? status;
}

/** The stages of a ticket that a guest sees. */
export const STAGES = {
  request: ["New", "Acknowledged", "InProgress", "Completed"],
  order: ["New", "Acknowledged", "InProgress", "Complete", "Delivered"],
};

/** An order is recognised by its dishes. */
export function titleOf({ kind, items }) {
  if (kind) return KINDS[kind] ?? kind;
  const dishes = items.map(({ name, quantity }) => (quantity > 1 ? `${quantity} × ${name}` : name));
  return dishes.join(", ");
}

/** Why a screen has stopped for good. */
export const endSentence = (code, reason) => ENDINGS[code] ?? reason ?? "";

/** Why something failed, as a sentence for the person who tried it. */
export function sentenceOf(error) {
  if (!(error instanceof Problem)) return "No connection. Please try again.";
  const { currentStatus, requestedStatus, allowed = [] } = error.document;
  if (!currentStatus) return error.message;
  const now = `It is “${STATUS_LABELS[currentStatus] ?? currentStatus}” by now`;
  if (allowed.includes(requestedStatus)) return `${now}: someone else changed it first.`;
  const others = allowed.map((status) => `“${STATUS_LABELS[status] ?? status}”`);
  return others.length
    ? `${now}. Possible from there: ${others.join(", ")}.`
    : `${now}, and cannot be changed from here.`;
}

/** Table 7; Tables 5, 7. */
export const tablesOf = (numbers) => `${numbers.length === 1 ? "Table" : "Tables"} ${numbers.join(", ")}`;

/** 1 table, 2 tables. */
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** 2:05, as on a kitchen timer. */
export function formatAge(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const [minutes, rest] = [Math.floor(total / 60), total % 60];
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60}`;
  return `${minutes}:${String(rest).padStart(2, "0")}`;
}
