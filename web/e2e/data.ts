// Plausible rows and timelines for the fake server, the same in every run.

import type { FakeServer, WireRow } from "./server.ts";

const open = [
  "unknown", "created", "info_received", "picked_up", "in_transit", "out_for_delivery", "delivery_attempted", "available_for_pickup", "returning",
];
const weights = [1, 5, 7, 9, 42, 18, 5, 7, 6];
const carriers: [string, string][] = [["DHL", "express"], ["UPSN", "ground"], ["DPD", "classic"], ["FDEG", "home"], ["CPCC", "xpresspost"], ["GLS", "parcel"], ["", ""]];
const places = ["Hamburg", "Köln Niehl", "Rotterdam", "São Paulo", "Lyon Corbas", "Warszawa", "Calgary", "Memphis", "Winnipeg", "Milano Lambrate", "Stockholm", "Wien"];
const scans = ["shipment.arrived.v1", "shipment.departed.v1", "shipment.out_for_delivery.v1", "shipment.picked_up.v1", "shipment.delivery_attempted.v1"];
const orderStatuses = ["placed", "confirmed", "processing", "partially_shipped", "shipped", "partially_delivered"];

/** A small generator of numbers in [0, 1), so that a picture can be taken twice. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296;
    return state / 4294967296;
  };
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T;
}

function weighted(random: () => number): string {
  let left = random() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < open.length; i++) {
    left -= weights[i] as number;
    if (left < 0) return open[i] as string;
  }
  return "in_transit";
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

export function shipment(i: number, random: () => number, now: number): WireRow {
  const status = weighted(random);
  const scanned = !["unknown", "created"].includes(status);
  const [carrier, service] = pick(carriers, random);
  const at = now - Math.floor(random() ** 3 * 90 * 3_600_000) - Math.floor(random() * 200_000);
  return {
    id: `shp_${(4200 + i).toString(36)}${(i * 7919 % 46656).toString(36)}`, v: 1 + Math.floor(random() * 20), status, status_since: iso(at - 1000),
    direction: random() < 0.05 ? "return" : "outbound", carrier, service, parcels: 1 + Math.floor(random() ** 3 * 5),
    numbers: scanned ? [`JD0146${Math.floor(random() * 1e10).toString().padStart(10, "0")}`] : [], orders: [`o-${10_000 + Math.floor(i / 1.3)}`],
    last_scan_at: scanned ? iso(at) : null, last_scan_type: scanned ? pick(scans, random) : null, last_location: scanned ? pick(places, random) : null,
    eta: random() < 0.8 ? iso(now + Math.floor((random() - 0.12) * 60 * 3_600_000)) : null,
    open_exceptions: random() < 0.06 ? 1 + Math.floor(random() * 2) : 0, disputed: random() < 0.012, gap: random() < 0.04,
  };
}

export function order(i: number, random: () => number, now: number): WireRow {
  const status = pick(orderStatuses, random);
  const ordered = 1 + Math.floor(random() * 8);
  const shipped = status.includes("shipped") || status.includes("delivered") ? Math.ceil(ordered * (status === "shipped" ? 1 : 0.6)) : 0;
  return {
    id: `o-${10_000 + i}`, v: 1 + Math.floor(random() * 9), status, number: `W-${700_000 + i}`, channel: pick(["web", "store", "marketplace"], random),
    placed_at: iso(now - Math.floor(random() * 120 * 3_600_000)), promise_end: iso(now + Math.floor((random() - 0.2) * 96 * 3_600_000)),
    holds: random() < 0.06 ? ["payment_review"] : [], returns_open: i % 25 === 3 ? [`RMA-${i}`] : [], flags: random() < 0.03 ? ["cancel_after_ship"] : [],
    ordered, shipped, delivered: status === "partially_delivered" ? Math.floor(shipped / 2) : 0, cancelled: 0, returned: 0, lost: random() < 0.02 ? 1 : 0,
  };
}

/** A timeline that has every mark there is. */
export function marked(id: string): unknown[] {
  const e = (n: number, type: string, occurred_at: string, more: object = {}) => ({
    stream: "shipment", stream_id: id, source: "urn:acme:wms-1", id: `evt-${n}`, type: `shipment.${type}.v1`, class: "ACT", occurred_at,
    tz_source: "offset", time_precision: "minute", recorded_at: new Date(Date.parse(occurred_at) + 60_000).toISOString(),
    ingested_at: new Date(Date.parse(occurred_at) + 90_000).toISOString(), arrived_late: false, parcel_id: "p1",
    data: { shipment_id: id, parcel_id: "p1", occurred_at }, marks: {}, ...more,
  });
  const at = (name: string, country: string, raw?: object) => ({ shipment_id: id, location: { name, country, region: null }, ...(raw ? { raw } : {}) });
  return [
    e(1, "created", "2026-03-01T08:00:00+01:00", { parcel_id: "", data: { shipment_id: id, direction: "outbound", carrier: { scac: "DHL" }, parcels: [{ parcel_id: "p1" }] } }),
    e(2, "picked_up", "2026-03-01T14:05:00+01:00", { data: at("Hamburg", "DE"), source: "urn:dhl:edi" }),
    e(3, "departed", "2026-03-01T19:40:00+01:00", { stream: "tracking", stream_id: "trk:DHL:JD0146", data: at("Hamburg", "DE", { standard: "X12-214", status: "AF", reason: "NS" }), source: "urn:dhl:edi" }),
    e(4, "arrived", "2026-03-02T04:12:00+01:00", { data: at("Leipzig Hub", "DE", { standard: "X12-214", status: "X4", reason: "NS" }), source: "urn:dhl:edi", arrived_late: true, ingested_at: "2026-03-02T09:33:00Z" }),
    e(5, "arrived", "2026-03-02T04:12:00+01:00", { data: at("Leipzig Hub", "DE"), source: "urn:dhl:webhook", marks: { duplicate_of: { source: "urn:dhl:edi", id: "evt-4" } } }),
    e(6, "eta_changed", "2026-03-02T06:00:00Z", { class: "EST", parcel_id: "", data: { shipment_id: id, provider: "carrier", window: { start: "2026-03-03T15:00:00Z", end: "2026-03-03T18:00:00Z" } } }),
    e(7, "delivered", "2026-03-02T09:15:00-05:00", { data: at("Memphis", "US"), source: "urn:partner:3pl", marks: { retracted_by: { source: "urn:partner:3pl", id: "evt-9" } } }),
    e(8, "customs_held", "2026-03-02T16:20:00-05:00", { data: { ...at("Memphis", "US"), reason_code: "missing_invoice" }, tz_source: "zone_code" }),
    e(10, "departed", "2026-03-03T01:10:00Z", { tz_source: "assumed_utc", data: at("Memphis", "US") }),
    e(11, "out_for_delivery", "2026-03-03T08:02:00-07:00", { data: at("Laserlevel", "CA", { standard: "X12-214", status: "AJ" }) }),
    e(12, "delivery_attempted", "2026-03-03T11:45:00-07:00", { data: { ...at("Laserlevel", "CA", { standard: "X12-214", status: "AP", reason: "AG", partner_code: "0405" }), reason_code: "no_access" } }),
    e(13, "picked_up", "2026-03-03T12:00:00-07:00", { tz_source: "unknown", marks: { anomalies: ["regression"] }, data: at("Laserlevel", "CA") }),
  ];
}

/** Fills a server with n shipments and n/2 orders; the ids in the order they were made. */
export function fill(server: FakeServer, n: number, seed = 7, now = Date.now()): string[] {
  const random = seeded(seed);
  const ids: string[] = [];
  for (let i = 0; i < n; i++) {
    const row = shipment(i, random, now);
    ids.push(row.id);
    server.tables["shipments"]?.set(row.id, row);
    server.timelines.set(row.id, marked(row.id));
  }
  for (let i = 0; i < n / 2; i++) {
    const row = order(i, random, now);
    server.tables["orders"]?.set(row.id, row);
  }
  return ids;
}
