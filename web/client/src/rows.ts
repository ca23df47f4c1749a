// The rows of the topics that are states, checked field by field as they come in.

import { Reader } from "./fields.ts";
import type { Filter, OrderFields, ShipmentFields } from "./filter.ts";
import type { WireRow } from "./frames.ts";

/** What rows of orders and shipments have in common. */
export interface Row {
  readonly id: string;
  /** The revision, for people and logs: what is newer is decided by position. */
  readonly v: number;
  readonly status: string;
}

/** A shipment. Times are milliseconds since 1970, null where they are not known. */
export interface Shipment extends Row {
  readonly statusSince: number | null;
  readonly direction: string;
  readonly carrier: string;
  readonly service: string;
  readonly parcels: number;
  readonly numbers: readonly string[];
  readonly orders: readonly string[];
  readonly lastScanAt: number | null;
  readonly lastScanType: string;
  readonly lastLocation: string;
  readonly eta: number | null;
  readonly promiseEnd: number | null;
  /** It came after its promise, or is expected to. */
  readonly late: boolean;
  /** Longitude and latitude, null where they are not known. */
  readonly pos: readonly [number, number] | null;
  readonly openExceptions: number;
  readonly disputed: boolean;
  readonly gap: boolean;
}

/** An order. Times are milliseconds since 1970, null where they are not known. */
export interface Order extends Row {
  readonly number: string;
  readonly channel: string;
  readonly placedAt: number | null;
  readonly promiseEnd: number | null;
  readonly holds: readonly string[];
  /** The returns that were requested and not received yet. */
  readonly returnsOpen: readonly string[];
  readonly flags: readonly string[];
  readonly ordered: number;
  readonly shipped: number;
  readonly delivered: number;
  readonly cancelled: number;
  readonly returned: number;
  readonly lost: number;
}

/**
 * A count, such as "shipments.late", and the subscription whose rows it counts:
 * whoever subscribes to the topic with the filter has as many rows.
 */
export type Count = { readonly id: string; readonly n: number } & (
  | { readonly topic: "orders"; readonly filter: Filter<OrderFields> }
  | { readonly topic: "shipments"; readonly filter: Filter<ShipmentFields> }
);

/** The statuses in which a shipment is still on its way. */
export const openShipments = [
  "unknown", "created", "info_received", "picked_up", "in_transit",
  "out_for_delivery", "delivery_attempted", "available_for_pickup", "returning",
] as const;

/** The statuses in which an order is not over. */
export const openOrders = [
  "unknown", "placed", "confirmed", "processing", "partially_shipped", "shipped", "partially_delivered",
] as const;

function reader(wire: WireRow): Reader {
  return new Reader(wire, `row ${JSON.stringify(wire.id)}`);
}

function base(wire: WireRow, r: Reader): Row {
  const status = r.textOr("status", "");
  if (status === "") throw r.wrong("status", "present");
  return { id: wire.id, v: r.numberOr("v", 0), status };
}

function place(r: Reader): readonly [number, number] | null {
  const [lon, lat, ...more] = r.list("pos");
  if (lon === undefined) return null;
  if (typeof lon !== "number" || typeof lat !== "number" || more.length > 0) throw r.wrong("pos", "a place");
  return [lon, lat];
}

/** Reads a shipment; a field that is absent or null is not known. */
export function parseShipment(wire: WireRow): Shipment {
  const r = reader(wire);
  return {
    ...base(wire, r),
    statusSince: r.instant("status_since"),
    direction: r.textOr("direction", ""),
    carrier: r.textOr("carrier", ""),
    service: r.textOr("service", ""),
    parcels: r.numberOr("parcels", 0),
    numbers: r.texts("numbers"),
    orders: r.texts("orders"),
    lastScanAt: r.instant("last_scan_at"),
    lastScanType: r.textOr("last_scan_type", ""),
    lastLocation: r.textOr("last_location", ""),
    eta: r.instant("eta"),
    promiseEnd: r.instant("promise_end"),
    late: r.flagOr("late", false),
    pos: place(r),
    openExceptions: r.numberOr("open_exceptions", 0),
    disputed: r.flagOr("disputed", false),
    gap: r.flagOr("gap", false),
  };
}

/** Reads an order; a field that is absent or null is not known. */
export function parseOrder(wire: WireRow): Order {
  const r = reader(wire);
  return {
    ...base(wire, r),
    number: r.textOr("number", ""),
    channel: r.textOr("channel", ""),
    placedAt: r.instant("placed_at"),
    promiseEnd: r.instant("promise_end"),
    holds: r.texts("holds"),
    returnsOpen: r.texts("returns_open"),
    flags: r.texts("flags"),
    ordered: r.numberOr("ordered", 0),
    shipped: r.numberOr("shipped", 0),
    delivered: r.numberOr("delivered", 0),
    cancelled: r.numberOr("cancelled", 0),
    returned: r.numberOr("returned", 0),
    lost: r.numberOr("lost", 0),
  };
}

/** Reads a count. Its filter is the server's own, and is handed back to it as it is. */
export function parseCount(wire: WireRow): Count {
  const r = reader(wire);
  return { id: wire.id, n: r.count("n"), topic: r.text("topic"), filter: r.object("filter") } as Count;
}
