// Codes of the vocabulary as words. A code that is new here reads as itself;
// what the server's source has and this file has not, a test finds.

import type { State } from "@waybill-io/client";

export function spell(code: string): string {
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

/** A label, and what it means in a sentence. */
export interface Meaning {
  readonly label: string;
  readonly text: string;
}

export const flags: Readonly<Record<string, Meaning>> = {
  cancel_after_ship: { label: "cancelled after shipping", text: "Units had been handed over when the cancellation came." },
  over_shipped: { label: "over-shipped", text: "More units are out than were ordered." },
  over_returned: { label: "over-returned", text: "More units came back than were shipped." },
};

export function flagMeaning(code: string): Meaning {
  return flags[code] ?? { label: spell(code).toLowerCase(), text: "" };
}

/** Says how many returns of an order are under way. */
export function returnsLabel(n: number): string {
  return n === 1 ? "return requested" : `${n} returns requested`;
}

/** The names of all types of the vocabulary, without their version. */
export const types: Readonly<Record<string, string>> = {
  "order.placed": "Order placed",
  "order.confirmed": "Order confirmed",
  "order.on_hold": "Put on hold",
  "order.released": "Released from hold",
  "order.paid": "Paid",
  "order.payment_failed": "Payment failed",
  "order.refunded": "Refunded",
  "order.amended": "Order amended",
  "order.promise_changed": "Promise changed",
  "order.allocated": "Stock allocated",
  "order.backordered": "Backordered",
  "order.cancelled": "Order cancelled",
  "order.merged": "Orders merged",
  "order.split": "Order split",
  "order.return_requested": "Return requested",
  "order.return_received": "Return received",
  "order.reshipped": "Shipped again",
  "order.closed": "Order closed",
  "shipment.created": "Shipment created",
  "shipment.tracking_assigned": "Tracking number assigned",
  "shipment.info_received": "Carrier was informed",
  "shipment.picked_up": "Picked up",
  "shipment.departed": "Departed",
  "shipment.arrived": "Arrived",
  "shipment.customs_held": "Held by customs",
  "shipment.customs_released": "Released by customs",
  "shipment.out_for_delivery": "Out for delivery",
  "shipment.delivery_attempted": "Delivery attempted",
  "shipment.available_for_pickup": "Ready for pickup",
  "shipment.delivered": "Delivered",
  "shipment.exception_opened": "Exception opened",
  "shipment.exception_resolved": "Exception resolved",
  "shipment.eta_changed": "ETA changed",
  "shipment.return_initiated": "Return begun",
  "shipment.returned": "Returned to sender",
  "shipment.lost": "Lost",
  "shipment.damaged": "Damaged",
  "shipment.destroyed": "Destroyed",
  "shipment.cancelled": "Shipment cancelled",
  "shipment.position": "Position report",
  "shipment.scan_unmapped": "Scan with an unknown code",
  "event.retracted": "Retraction",
};

/** The name of an event type, without its family and version. */
export function typeLabel(type: string): string {
  const plain = type.replace(/\.v\d+$/, "");
  return types[plain] ?? spell(plain.slice(plain.indexOf(".") + 1));
}

/** What makes an entry less than plain; `still` when it moved nothing for that. */
export interface Oddity extends Meaning {
  readonly still: boolean;
}

const moves = (label: string, text: string): Oddity => ({ label, text, still: false });
const still = (label: string, text: string): Oddity => ({ label, text, still: true });

/** The anomalies that the server's fold notes. */
export const anomalies: Readonly<Record<string, Oddity>> = {
  clock_skew: still("clock skew", "Its time lies more than a day after it came in, so it does not count."),
  second_create: still("second create", "This was created once already, and the other creation counts."),
  regression: still("regression", "It does not follow from where the parcel stood then: the status stayed. What else it says counts."),
  moved_after_cancel: moves("moved after cancel", "The parcel had been cancelled, yet it moved; the status followed."),
  misplaced: still("misplaced", "A carrier’s number can neither create a shipment nor assign numbers."),
  assignment_replaced: still("assignment replaced", "Another assignment of this number, of the same moment, counts in its place."),
  retraction_stands: still("retraction stands", "It tries to take back a retraction, which cannot be taken back."),
};

/** The other marks of an entry. */
export const oddities = {
  late: moves("late", "Newer facts were known when it came in; it stands where it belongs in time."),
  duplicate: still("duplicate", "It says the same as another entry, which counts in its place."),
  retracted: still("retracted", "It was taken back."),
  correction: moves("correction", "It says right what was taken back."),
  unmatched: still("unmatched", "No shipment had this carrier’s number then."),
  EST: moves("estimate", "Expected, not happened: it moves no status."),
  PLN: moves("plan", "Planned, not happened: it moves no status."),
} as const;

export function anomaly(code: string): Oddity {
  return anomalies[code] ?? moves(spell(code).toLowerCase(), "");
}

/** How far the offset of a time is to be trusted: "" plainly, else with these words. */
export interface Zone extends Meaning {
  readonly doubt: "" | "mild" | "strong";
}

export const zones: Readonly<Record<string, Zone>> = {
  offset: { doubt: "", label: "", text: "" },
  zone_code: { doubt: "", label: "", text: "" },
  location: { doubt: "mild", label: "zone from the place", text: "Not stated by the carrier: it is the zone of where it happened." },
  assumed_utc: { doubt: "strong", label: "UTC assumed", text: "Nobody stated a zone: the time was read as UTC and may be hours off." },
  unknown: { doubt: "strong", label: "zone unknown", text: "Nobody stated a zone, nor does the place tell: the time may be hours off." },
};

export function zone(source: string): Zone {
  return zones[source] ?? { doubt: "strong", label: source ? `zone: ${spell(source).toLowerCase()}` : "zone not stated", text: "" };
}

/** Why something was taken back. */
export const reasons: Readonly<Record<string, string>> = {
  did_not_occur: "it did not happen",
  incorrect_data: "it was wrong",
};

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
