// The rows of the two live topics, checked field by field as they come in.

import { ProtocolError, type WireRow } from "./protocol.ts";

export interface Row {
  readonly id: string;
  readonly v: number;
  readonly status: string;
}

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
  readonly openExceptions: number;
  readonly disputed: boolean;
  readonly gap: boolean;
}

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

export const openShipments = [
  "unknown", "created", "info_received", "picked_up", "in_transit",
  "out_for_delivery", "delivery_attempted", "available_for_pickup", "returning",
] as const;

export const openOrders = [
  "unknown", "placed", "confirmed", "processing", "partially_shipped", "shipped", "partially_delivered",
] as const;

type Fields = { readonly [field: string]: unknown };

function wrong(o: Fields, key: string, want: string): ProtocolError {
  return new ProtocolError(`row ${JSON.stringify(o["id"])}: ${key} is not ${want}`);
}

function absent(o: Fields, key: string): boolean {
  return o[key] === undefined || o[key] === null;
}

function text(o: Fields, key: string): string {
  if (absent(o, key)) return "";
  const v = o[key];
  if (typeof v !== "string") throw wrong(o, key, "a string");
  return v;
}

function number(o: Fields, key: string): number {
  if (absent(o, key)) return 0;
  const v = o[key];
  if (typeof v !== "number" || !Number.isFinite(v)) throw wrong(o, key, "a number");
  return v;
}

function flag(o: Fields, key: string): boolean {
  if (absent(o, key)) return false;
  const v = o[key];
  if (typeof v !== "boolean") throw wrong(o, key, "true or false");
  return v;
}

function instant(o: Fields, key: string): number | null {
  const v = text(o, key);
  if (v === "") return null;
  const at = Date.parse(v);
  if (Number.isNaN(at)) throw wrong(o, key, "a time");
  return at;
}

function texts(o: Fields, key: string): readonly string[] {
  if (absent(o, key)) return [];
  const v = o[key];
  if (!Array.isArray(v) || v.some((x) => typeof x !== "string")) throw wrong(o, key, "a list of strings");
  return v as string[];
}

function base(o: WireRow): Row {
  const status = text(o, "status");
  if (o.id === "" || status === "") throw wrong(o, "status", "present");
  return { id: o.id, v: number(o, "v"), status };
}

/** Reads a shipment row; a field that is absent or null is not known. */
export function parseShipment(o: WireRow): Shipment {
  return {
    ...base(o),
    statusSince: instant(o, "status_since"),
    direction: text(o, "direction"),
    carrier: text(o, "carrier"),
    service: text(o, "service"),
    parcels: number(o, "parcels"),
    numbers: texts(o, "numbers"),
    orders: texts(o, "orders"),
    lastScanAt: instant(o, "last_scan_at"),
    lastScanType: text(o, "last_scan_type"),
    lastLocation: text(o, "last_location"),
    eta: instant(o, "eta"),
    openExceptions: number(o, "open_exceptions"),
    disputed: flag(o, "disputed"),
    gap: flag(o, "gap"),
  };
}

/** Reads an order row; a field that is absent or null is not known. */
export function parseOrder(o: WireRow): Order {
  return {
    ...base(o),
    number: text(o, "number"),
    channel: text(o, "channel"),
    placedAt: instant(o, "placed_at"),
    promiseEnd: instant(o, "promise_end"),
    holds: texts(o, "holds"),
    returnsOpen: texts(o, "returns_open"),
    flags: texts(o, "flags"),
    ordered: number(o, "ordered"),
    shipped: number(o, "shipped"),
    delivered: number(o, "delivered"),
    cancelled: number(o, "cancelled"),
    returned: number(o, "returned"),
    lost: number(o, "lost"),
  };
}
