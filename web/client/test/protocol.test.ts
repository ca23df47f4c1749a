import { describe, expect, test } from "vitest";
import { identityKey, parseOrder, parseShipment, ProtocolError } from "@waybill-io/client";
import { parseMessage } from "../src/parse.ts";
import { parseCount } from "../src/rows.ts";
import { welcome } from "./harness.ts";

const delta = { t: "d", sid: 3, p: 1041, q: 1049, ts: 1763700001200, u: [{ id: "S-81", v: 19 }], r: ["S-12"], n: 7 };

describe("a message", () => {
  test("holds several frames, one per line", () => {
    const frames = parseMessage(`${JSON.stringify(welcome())}\n${JSON.stringify(delta)}\n`);
    expect(frames.map((f) => f.t)).toEqual(["welcome", "d"]);
  });

  test("keeps a line break inside a string as part of its frame", () => {
    const frames = parseMessage(JSON.stringify({ t: "err", sid: 1, code: "internal", msg: "two\nlines", retry_ms: 0 }));
    expect(frames).toEqual([{ t: "err", sid: 1, code: "internal", msg: "two\nlines", retryMs: 0 }]);
  });

  test("may hold frames of a kind that this page does not know; they are left out", () => {
    expect(parseMessage(`{"t":"poll","x":1}\n{"t":"toString"}\n${JSON.stringify(delta)}`).map((f) => f.t)).toEqual(["d"]);
  });

  test("reads every field of a delta", () => {
    expect(parseMessage(JSON.stringify(delta))).toEqual([
      { t: "d", sid: 3, p: 1041, q: 1049, ts: 1763700001200, put: [{ id: "S-81", v: 19 }], drop: ["S-12"] },
    ]);
  });

  test("reads a delta of a log, whose entries are dropped by identity", () => {
    const entry = { stream: "shipment", stream_id: "S-1", source: "erp", id: "e-7" };
    expect(parseMessage(JSON.stringify({ t: "ev", sid: 4, p: 1, q: 2, e: [entry], r: [["shipment", "S-1", "erp", "e-6"]] }))).toEqual([
      { t: "ev", sid: 4, p: 1, q: 2, ts: undefined, put: [entry], drop: [identityKey(["shipment", "S-1", "erp", "e-6"])] },
    ]);
  });

  test("reads what each subscription was sent from a heartbeat", () => {
    const [hb] = parseMessage('{"t":"hb","now":5,"lag_ms":180,"q":{"3":1049,"4":1050},"quarantined":2}');
    expect(hb).toEqual({ t: "hb", now: 5, lagMs: 180, q: new Map([[3, 1049], [4, 1050]]), quarantined: 2 });
  });

  test.each<[string, unknown]>([
    ["a frame cut short", '{"t":"d","sid":3'],
    ["no object", "[1,2]"],
    ["no kind", '{"sid":3}'],
    ["bytes", new ArrayBuffer(4)],
    ["a delta that goes back", JSON.stringify({ ...delta, q: 1040 })],
    ["a delta without a start", JSON.stringify({ ...delta, p: undefined })],
    ["a fractional position", JSON.stringify({ ...delta, q: 1049.5 })],
    ["a position beyond whole numbers", JSON.stringify({ ...delta, q: 2 ** 60 })],
    ["a row without an id", JSON.stringify({ ...delta, u: [{ v: 1 }] })],
    ["a removal that is no id", JSON.stringify({ ...delta, r: [7] })],
    ["rows that are no list", JSON.stringify({ ...delta, u: { id: "a" } })],
    ["an identity that is none", '{"t":"ev","sid":4,"p":1,"q":2,"e":[],"r":["e-7"]}'],
    ["an identity of too few parts", '{"t":"ev","sid":4,"p":1,"q":2,"e":[],"r":[["erp","e-7"]]}'],
    ["a snapshot that does not say whether it is whole", '{"t":"snap","sid":1,"epoch":"e","page":1,"rows":[]}'],
    ["a live without a shape", '{"t":"live","sid":1,"epoch":"e","q":1,"resumed":false}'],
    ["a welcome without heartbeats", JSON.stringify(welcome({ hb_ms: 0 }))],
    ["a welcome without reconnect times", JSON.stringify(welcome({ reconnect: undefined }))],
  ])("is refused when it is %s", (_, message) => {
    expect(() => parseMessage(message)).toThrow(ProtocolError);
  });

  test("is refused whole when one of its frames is wrong", () => {
    expect(() => parseMessage(`${JSON.stringify(delta)}\n{"t":"d"}`)).toThrow(ProtocolError);
  });
});

describe("a row", () => {
  test("of a shipment is read field by field", () => {
    expect(parseShipment({
      id: "shp_9", v: 17, status: "in_transit", status_since: "2026-03-01T10:00:00Z", direction: "outbound", carrier: "DHL", service: "express", parcels: 2,
      numbers: ["JD01"], orders: ["o-1"], last_scan_at: "2026-03-01T10:00:00Z", last_scan_type: "shipment.arrived.v1", last_location: "Hamburg",
      eta: "2026-03-02T10:00:00Z", promise_end: "2026-03-01T10:00:00Z", late: true, pos: [4.35, 50.85], open_exceptions: 1, disputed: false, gap: true,
    })).toEqual({
      id: "shp_9", v: 17, status: "in_transit", statusSince: Date.UTC(2026, 2, 1, 10), direction: "outbound", carrier: "DHL", service: "express", parcels: 2,
      numbers: ["JD01"], orders: ["o-1"], lastScanAt: Date.UTC(2026, 2, 1, 10), lastScanType: "shipment.arrived.v1", lastLocation: "Hamburg",
      eta: Date.UTC(2026, 2, 2, 10), promiseEnd: Date.UTC(2026, 2, 1, 10), late: true, pos: [4.35, 50.85], openExceptions: 1, disputed: false, gap: true,
    });
  });

  test("says of absent and null fields that they are not known", () => {
    const bare = parseShipment({ id: "a", v: 0, status: "unknown", eta: null, numbers: null });
    expect([bare.eta, bare.lastScanAt, bare.numbers, bare.carrier, bare.disputed]).toEqual([null, null, [], "", false]);
  });

  test.each<[string, object]>([
    ["a status that is no string", { status: 3 }],
    ["no status", { status: undefined }],
    ["a time that is none", { eta: "soon" }],
    ["a count that is no number", { parcels: "2" }],
    ["a flag that is no truth value", { gap: 1 }],
    ["numbers that are no strings", { numbers: [1] }],
    ["a place of one coordinate", { pos: [4.35] }],
  ])("is refused with %s", (_, more) => {
    expect(() => parseShipment({ id: "a", v: 1, status: "created", ...more })).toThrow(ProtocolError);
  });

  test("of an order is read field by field", () => {
    const order = parseOrder({ id: "o-1", v: 3, status: "shipped", number: "W-1", channel: "web", holds: ["x"], returns_open: ["r-1"], ordered: 5, shipped: 4, lost: 1 });
    expect([order.number, order.holds, order.returnsOpen, order.ordered, order.shipped, order.delivered, order.lost]).toEqual(["W-1", ["x"], ["r-1"], 5, 4, 0, 1]);
    expect(parseOrder({ id: "o-1", v: 3, status: "shipped" }).returnsOpen).toEqual([]);
  });

  test("of a count has the subscription whose rows it counts", () => {
    const filter = { f: "status", op: "eq", v: "lost" };
    expect(parseCount({ id: "shipments.lost", n: 4, topic: "shipments", filter })).toEqual({ id: "shipments.lost", n: 4, topic: "shipments", filter });
    expect(() => parseCount({ id: "shipments.lost", topic: "shipments", filter })).toThrow(ProtocolError);
    expect(() => parseCount({ id: "shipments.lost", n: 4, topic: "shipments" })).toThrow(ProtocolError);
  });
});
