// Codes of the vocabulary as words. A code that is new here reads as itself.

import type { State } from "../store/freshness.ts";

function spell(code: string): string {
  const words = code.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const statuses: Record<string, string> = {
  unknown: "Unknown",
  info_received: "Info received",
  picked_up: "Picked up",
  in_transit: "In transit",
  out_for_delivery: "Out for delivery",
  delivery_attempted: "Attempted",
  available_for_pickup: "Ready for pickup",
  partially_shipped: "Part shipped",
  partially_delivered: "Part delivered",
};

export function statusLabel(status: string): string {
  return statuses[status] ?? spell(status);
}

const marks: Record<string, string> = {
  exceptions: "Exceptions",
  overdue: "Past due",
  disputed: "Disputed",
  gap: "Gaps",
  held: "On hold",
  flagged: "Flagged",
};

export function markLabel(mark: string): string {
  return marks[mark] ?? spell(mark);
}

const markMeanings: Record<string, string> = {
  exceptions: "At least one exception is open",
  overdue: "The estimated or promised time has passed",
  disputed: "A physical scan came after the delivery",
  gap: "A stage was skipped: a scan is missing",
  held: "At least one hold is in force",
  flagged: "Carries a flag, such as cancelled after shipping",
};

export function markMeaning(mark: string): string {
  return markMeanings[mark] ?? "";
}

const types: Record<string, string> = {
  "shipment.eta_changed": "ETA changed",
  "shipment.position": "Position report",
  "shipment.scan_unmapped": "Scan with an unknown code",
  "shipment.tracking_assigned": "Tracking number assigned",
  "shipment.info_received": "Carrier was informed",
  "shipment.created": "Shipment created",
  "event.retracted": "Retraction of an event",
};

/** The name of an event type, without its family and version. */
export function typeLabel(type: string): string {
  const plain = type.replace(/\.v\d+$/, "");
  return types[plain] ?? spell(plain.slice(plain.indexOf(".") + 1));
}

const anomalies: Record<string, string> = {
  regression: "Moves backwards; the state did not follow",
  clock_skew: "Lies more than a day in the future; not counted",
  moved_after_cancel: "Moved after the cancellation",
  second_create: "A second creation; not counted",
  assignment_replaced: "Another assignment took its place",
  retraction_stands: "A retraction cannot be retracted",
  misplaced: "Does not belong into a number's stream",
};

export function anomalyLabel(code: string): string {
  return spell(code).toLowerCase();
}

export function anomalyMeaning(code: string): string {
  return anomalies[code] ?? `Anomaly: ${code}`;
}

const states: Record<State, string> = {
  connecting: "Connecting",
  live: "Live",
  lagging: "Lagging",
  reconnecting: "Reconnecting",
  frozen: "Frozen",
  paused: "Paused",
  refused: "Refused",
  stopped: "Stopped",
  signin: "Token needed",
};

export function stateLabel(state: State): string {
  return states[state];
}

export { spell };
