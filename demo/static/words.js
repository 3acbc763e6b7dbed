/** What people read, and which moves the screens offer. The server decides which are legal. */

const KINDS = { water: "Water", bill: "The bill", waiter: "Waiter" };

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

/** For waiters: [status, label], what is usual first. */
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

const CANCEL = [["Cancelled", "Cancel"]];

/**
 * For guests. "Cancel" is offered while anything can still happen: a screen
 * may be a moment behind, and the answer says why it is too late.
 */
export const GUEST_MOVES = {
  request: {
    New: CANCEL, Acknowledged: CANCEL, InProgress: CANCEL, OnHold: CANCEL,
    Completed: [["Done", "Thank you"]],
  },
  order: { New: CANCEL, Acknowledged: CANCEL, InProgress: CANCEL },
};

/** What a guest reads under a ticket; `waiter` is a name. */
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

/** The stages a guest sees a ticket pass. */
export const STAGES = {
  request: ["New", "Acknowledged", "InProgress", "Completed"],
  order: ["New", "Acknowledged", "InProgress", "Complete", "Delivered"],
};

export function titleOf({ kind, itemCount }) {
  if (kind) return KINDS[kind] ?? kind;
  return itemCount === 1 ? "1 item" : `${itemCount} items`;
}

/** Why a move was refused, in words for the person who tried it. */
export function refusalSentence({ document, message }) {
  const { currentStatus, requestedStatus, allowed = [] } = document ?? {};
  if (!currentStatus) return message;
  const now = `It is “${STATUS_LABELS[currentStatus] ?? currentStatus}” by now`;
  if (allowed.includes(requestedStatus)) return `${now}: somebody else was faster.`;
  const others = allowed.map((status) => `“${STATUS_LABELS[status] ?? status}”`);
  return others.length
    ? `${now}. Possible from there: ${others.join(", ")}.`
    : `${now}, and cannot be changed from here.`;
}

/** 2:05, as on a kitchen timer. */
export function formatAge(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const [minutes, rest] = [Math.floor(total / 60), total % 60];
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60}`;
  return `${minutes}:${String(rest).padStart(2, "0")}`;
}
