// An order with everything that can go wrong: two shipments, a carrier that
// scans by number and names no zone, a scan that was wrong and was put right.

import type { FakeServer, WireRow } from "./server.ts";

export const story = { order: "o-77001", calgary: "shp_calgary", laval: "shp_laval", number: "4343638316026577" } as const;

const wms = "urn:acme:wms-1";
const shop = "urn:acme:shop";
const edi = "urn:cpcc:edi";

type More = Record<string, unknown>;

function entry(stream: string, streamId: string, source: string, id: string, type: string, at: string, data: More, more: More = {}): More {
  const instant = Date.parse(at);
  return {
    stream, stream_id: streamId, source, id, type: `${type}.v1`, class: "ACT", occurred_at: at, tz_source: "offset", time_precision: "minute",
    recorded_at: new Date(instant + 120_000).toISOString(), ingested_at: new Date(instant + 150_000).toISOString(),
    arrived_late: false, data, marks: { unmatched: false }, ...more,
  };
}

const ofOrder = (id: string, type: string, at: string, data: More, more: More = {}) =>
  entry("order", story.order, shop, id, `order.${type}`, at, { order_id: story.order, ...data }, more);
const ofShipment = (shipment: string, id: string, type: string, at: string, data: More, more: More = {}) =>
  entry("shipment", shipment, wms, id, `shipment.${type}`, at, { shipment_id: shipment, ...data }, more);
const byNumber = (id: string, type: string, at: string, data: More, more: More = {}) =>
  entry("tracking", `trk:CPCC:${story.number}`, edi, id, type, at, data, { parcel_id: "p1", tz_source: "zone_code", ...more });

const x12 = (status: string, reason: string, partner: string, text: string | null = null) =>
  ({ standard: "X12-214", status, reason, partner_code: partner, text });
const kamloops = { name: "KAMLOOPS BC", city: "Kamloops", region: "BC", country: "CA" };
const laserlevel = { name: "Laserlevel", city: null, region: "AB", country: "CA" };

/** The order's timeline, oldest first. */
export function storyEntries(): More[] {
  const { calgary, laval, number } = story;
  return [
    ofOrder("o1", "placed", "2019-10-30T09:12:00-07:00", {
      number: "W-77001", channel: "web", currency: "CAD",
      lines: [{ line_id: "L1", sku: "A-1", qty: 2, unit_price: "19.95" }, { line_id: "L2", sku: "B-7", qty: 1, unit_price: "60.00" }],
      promised_window: { start: null, end: "2019-11-05T23:59:59-07:00", time_precision: "day" },
    }),
    ofOrder("o2", "on_hold", "2019-10-30T09:13:00-07:00", { reason_code: "payment_review" }),
    ofOrder("o6", "on_hold", "2019-10-30T09:14:00-07:00", { reason_code: "address_check" }),
    ofOrder("o3", "paid", "2019-10-30T11:40:00-07:00", { amount: "99.90", currency: "CAD" }),
    ofOrder("o4", "released", "2019-10-30T11:41:00-07:00", { reason_code: "payment_review" }),
    ofShipment(laval, "s4", "picked_up", "2019-11-01T00:00:00-05:00", { parcel_id: "q1" }, { parcel_id: "q1", time_precision: "day" }),
    ofShipment(calgary, "s1", "created", "2019-11-01T08:00:00-07:00", {
      direction: "outbound", carrier: { scac: "CPCC" }, service: "xpresspost", parcels: [{ parcel_id: "p1" }],
      contents: [{ order_id: story.order, line_id: "L1", qty: 2, parcel_id: "p1" }], destination: { city: "Laserlevel", region: "AB", country: "CA" },
    }),
    ofShipment(calgary, "s2", "tracking_assigned", "2019-11-01T08:05:00-07:00", { parcel_id: "p1", carrier: { scac: "CPCC" }, tracking_number: number }, { parcel_id: "p1" }),
    ofShipment(laval, "s3", "created", "2019-11-01T11:00:00-05:00", { direction: "outbound", carrier: { scac: "DPD" }, parcels: [{ parcel_id: "q1" }], contents: [{ order_id: story.order, line_id: "L2", qty: 1 }] }, { marks: { anomalies: ["regression"], unmatched: false } }),
    byNumber("t1", "shipment.picked_up", "2019-11-02T10:30:00Z", { raw: x12("AF", "NS", "0100", "ITEM ACCEPTED") }, { tz_source: "unknown" }),
    byNumber("t2", "shipment.departed", "2019-11-02T15:55:00-08:00", { location: kamloops, raw: x12("P1", "NS", "0155") }, { arrived_late: true, ingested_at: "2019-11-03T16:00:00Z" }),
    byNumber("t3", "shipment.arrived", "2019-11-02T23:50:00-07:00", { location: { name: "Calgary", region: "AB", country: "CA" }, raw: x12("X4", "NS", "0170") }, { tz_source: "location" }),
    byNumber("t4", "shipment.arrived", "2019-11-02T23:50:00-07:00", { location: { name: "Calgary", region: "AB", country: "CA" }, raw: x12("X4", "NS", "0170") }, { tz_source: "location", marks: { duplicate_of: { source: edi, id: "t3" }, unmatched: false } }),
    byNumber("t5", "shipment.delivered", "2019-11-03T08:05:00-07:00", { location: laserlevel, raw: x12("D1", "NS", "0500") }, { marks: { retracted_by: { source: edi, id: "t7" }, unmatched: false } }),
    byNumber("t6", "shipment.delivery_attempted", "2019-11-03T08:15:00-07:00", { location: laserlevel, reason_code: "no_access", raw: x12("AP", "AG", "0405") }),
    byNumber("t7", "event.retracted", "2019-11-03T08:30:00-07:00", { stream: "tracking", retracted_source: edi, retracted_id: "t5", reason: "incorrect_data", replaced_by: "t6" }),
    ofShipment(calgary, "s5", "eta_changed", "2019-11-03T09:00:00-07:00", { provider: "carrier", window: { start: "2019-11-04T09:00:00-07:00", end: "2019-11-04T12:00:00-07:00" }, confidence: 0.8 }, { class: "EST" }),
    ofShipment(laval, "s6", "delivered", "2019-11-04T10:02:00-05:00", { parcel_id: "q1", handed_to: "neighbour", location: { city: "Laval", region: "QC", country: "CA" } }, { parcel_id: "q1" }),
    byNumber("t8", "shipment.delivered", "2019-11-04T11:20:00-07:00", { location: laserlevel, handed_to: "recipient", raw: x12("D1", "NS", "0500") }),
    ofShipment(calgary, "s7", "departed", "2019-11-04T19:30:00Z", { parcel_id: "p1", facility: "YYC" }, { parcel_id: "p1", tz_source: "assumed_utc", marks: { anomalies: ["regression"], unmatched: false } }),
    ofOrder("o7", "return_requested", "2019-11-04T14:00:00-07:00", { return_id: "RMA-7", lines: [{ line_id: "L2", qty: 1 }], reason_code: "too_small" }),
    ofOrder("o5", "cancelled", "2019-11-04T15:00:00-07:00", { scope: "lines", lines: [{ line_id: "L2", qty: 1 }], reason_code: "changed_mind", by: "customer" }),
  ];
}

/** The order as it is in the end: over, so that no list of open rows has it. */
export const storyOrder: WireRow = {
  id: story.order, v: 7, status: "delivered", number: "W-77001", channel: "web", placed_at: "2019-10-30T16:12:00Z", promise_end: "2019-11-06T06:59:59Z",
  holds: ["address_check"], returns_open: ["RMA-7"], flags: ["cancel_after_ship"], ordered: 3, cancelled: 0, shipped: 3, delivered: 3, returned: 0, lost: 0,
};

function shipment(id: string, more: More): WireRow {
  return {
    id, v: 6, status: "delivered", status_since: "2019-11-04T18:20:00Z", direction: "outbound", carrier: "CPCC", service: "xpresspost", parcels: 1, numbers: [], orders: [story.order],
    last_scan_at: "2019-11-04T18:20:00Z", last_scan_type: "shipment.delivered.v1", last_location: "Laserlevel", open_exceptions: 0, disputed: false, gap: false, ...more,
  };
}

/** Puts the order and its shipments into a server. */
export function tellStory(server: FakeServer): void {
  const entries = storyEntries();
  const number = `trk:CPCC:${story.number}`;
  server.tables["orders"]?.set(story.order, storyOrder);
  server.orderTimelines.set(story.order, entries);
  server.tables["shipments"]?.set(story.calgary, shipment(story.calgary, { numbers: [story.number], disputed: true }));
  server.tables["shipments"]?.set(story.laval, shipment(story.laval, { carrier: "DPD", service: "", last_location: "Laval" }));
  server.timelines.set(story.calgary, entries.filter((e) => e["stream_id"] === story.calgary || e["stream_id"] === number));
  server.timelines.set(story.laval, entries.filter((e) => e["stream_id"] === story.laval));
}
