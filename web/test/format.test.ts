import { describe, expect, test } from "vitest";
import { duration, roughly, wall } from "../src/ui/format.ts";
import { note, place, raw } from "../src/ui/facts.ts";
import { anomaly, flagMeaning, statusLabel, typeLabel, zone } from "../src/ui/words.ts";

describe("a scan's time", () => {
  test.each([
    ["2026-03-01T10:00:00+01:00", "minute", { day: "Sun, 1 Mar 2026", time: "10:00", offset: "+01:00" }],
    ["2026-03-01T23:30:00-08:00", "minute", { day: "Sun, 1 Mar 2026", time: "23:30", offset: "−08:00" }],
    ["2026-03-01T00:05:07.25+05:45", "second", { day: "Sun, 1 Mar 2026", time: "00:05:07", offset: "+05:45" }],
    ["2026-03-01T10:00:00Z", "minute", { day: "Sun, 1 Mar 2026", time: "10:00", offset: "UTC" }],
    ["2026-03-01T10:00:00+00:00", "minute", { day: "Sun, 1 Mar 2026", time: "10:00", offset: "UTC" }],
    ["2026-03-01T10:00:00+01:00", "hour", { day: "Sun, 1 Mar 2026", time: "~10:00", offset: "+01:00" }],
    ["2026-03-01T10:00:03.004+01:00", "millisecond", { day: "Sun, 1 Mar 2026", time: "10:00:03", offset: "+01:00" }],
    ["2026-03-01T00:00:00+09:00", "day", { day: "Sun, 1 Mar 2026", time: "", offset: "+09:00" }],
  ])("%s, to the %s, stands on the clock of its own place", (at, precision, want) => {
    expect(wall(at, precision)).toEqual(want);
  });
});

describe("a length of time", () => {
  test.each([
    [-5_000, "0 s"], [59_999, "59 s"], [60_000, "1 m 00 s"], [3_599_000, "59 m 59 s"], [3_600_000, "1 h 00 m"],
    [86_399_000, "23 h 59 m"], [86_400_000, "1 d 00 h"], [40 * 86_400_000, "40 d 00 h"],
  ])("of %i ms is %s", (ms, want) => {
    expect(duration(ms)).toBe(want);
  });

  test.each([[900, "1 s"], [90_000, "2 m"], [7_200_000, "2 h"], [47 * 3_600_000, "47 h"], [49 * 3_600_000, "2 d"]])("of %i ms is roughly %s", (ms, want) => {
    expect(roughly(ms)).toBe(want);
  });
});

describe("what an event says", () => {
  test.each<[object, string]>([
    [{ window: { start: "2026-03-03T15:00:00+01:00", end: "2026-03-03T18:00:00+01:00" }, provider: "carrier" }, "Tue, 3 Mar 2026, 15:00 – 18:00 +01:00 · Carrier"],
    [{ window: { start: "2026-03-03T22:00:00Z", end: "2026-03-04T02:00:00Z" } }, "Tue, 3 Mar 2026, 22:00 – Wed, 4 Mar 2026, 02:00 UTC"],
    [{ window: { end: "2026-03-03T18:00:00Z" } }, "by Tue, 3 Mar 2026, 18:00 UTC"],
    [{ window: { end: "2026-03-03T23:59:59-03:00", time_precision: "day" } }, "Tue, 3 Mar 2026"],
    [{ reason_code: "no_access", attempt_no: 2 }, "No access · Attempt 2"],
    [{ reason_code: "damaged_label", party: "carrier", severity: "high", action_required: true }, "Damaged label · Carrier · High · Action required"],
    [{ carrier: { scac: "DHL" }, tracking_number: "JD01" }, "DHL JD01"],
    [{ shipment_id: "a", unheard_of: { x: 1 } }, ""],
    [{ amount: "99.90", currency: "CAD" }, "99.90 CAD"],
    [{ currency: "CAD", lines: [{ line_id: "L1", qty: 2 }, { line_id: "L2", qty: 1 }], channel: "web" }, "line L1 × 2, line L2 × 1 · Web"],
    [{ lines: ["L1", "L2", "L3", "L4"].map((line_id) => ({ line_id, qty: 3 })), node: "DC1" }, "12 units in 4 lines · at DC1"],
    [{ contents: [{ order_id: "o-1", line_id: "L1", qty: 2 }], parcels: [{ parcel_id: "p1" }] }, "1 parcel · o-1 line L1 × 2"],
    [{ promised_window: { end: "2026-03-03T23:59:59Z", time_precision: "day" } }, "promised Tue, 3 Mar 2026"],
    [{ from: ["o-1"], into: ["o-2", "o-3"], lines: [{ from_order: "o-1", from_line: "L1", to_order: "o-2", to_line: "L1" }] }, "o-1 → o-2, o-3"],
    [{ original_shipment_id: "s1", new_shipment_id: "s2", reason_code: "lost" }, "s1 → s2 · Lost"],
    [{ return_id: "R1", reason_code: "too_small", by: "customer" }, "return R1 · Too small · by customer"],
    [{ reason: "all_settled" }, "All settled"],
    [{ reason: "incorrect_data", retracted_id: "e1" }, ""],
    [{ stops_before: 1 }, "1 stop before"],
    [{ stops_before: 0 }, "no stops before"],
    [{ pickup_deadline: "2026-03-09T18:00:00+01:00" }, "until Mon, 9 Mar 2026, 18:00 +01:00"],
    [{ pickup_deadline: "soon", lines: 7, from: "x", confidence: "high" }, ""],
    [{ exception_id: "X1", confidence: 0.8, pod_ref: "POD1" }, "case X1 · proof POD1 · 80 % sure"],
  ])("of %j is %j", (data, want) => {
    expect(note(data as Record<string, unknown>)).toBe(want);
  });

  test("about an amendment are the lines' new totals", () => {
    expect(note({ lines: [{ line_id: "L1", qty: 0 }] }, "order.amended.v1")).toBe("line L1 now 0");
  });

  test.each<[object, string]>([
    [{ location: { city: "Laserlevel", region: "AB", country: "CA" } }, "Laserlevel, AB, CA"],
    [{ location: { name: "KAMLOOPS BC", city: "Kamloops", region: "BC", country: "CA" } }, "KAMLOOPS BC, CA"],
    [{ location: { name: "Leipzig Hub", city: "Leipzig", country: "DE" } }, "Leipzig Hub, DE"],
    [{ location: { name: "Calgary", city: "Calgary", region: "AB", country: null } }, "Calgary, AB"],
    [{ location: { name: "Casa de Campo", country: "DE" } }, "Casa de Campo, DE"],
    [{ location: { name: "Ardor", city: "Dor" } }, "Ardor, Dor"],
    [{ location: { city: "Singapore", country: "SG", unlocode: "SGSIN" }, facility: "Singapore" }, "Singapore, SG"],
    [{ facility: "LEJ" }, "LEJ"],
    [{ place: "Kiosk 7", location: { city: "Wien", country: "AT" } }, "Kiosk 7, Wien, AT"],
    [{ location: { unlocode: "DEHAM" } }, "DEHAM"],
    [{ lat: 52.52, lon: 13.405, accuracy: 20.4 }, "52.5200, 13.4050 ± 20 m"],
    [{}, ""],
  ])("about its place, %j, is %j: no part twice", (data, want) => {
    expect(place(data as Record<string, unknown>)).toBe(want);
  });

  test.each<[object | null, string, string]>([
    [{ standard: "X12-214", status: "AP", reason: "AG", partner_code: "0405", text: null }, "X12-214 AP/AG · 0405", ""],
    [{ standard: "X12-214", status: "AF" }, "X12-214 AF", ""],
    [{ status: "in_transit", text: "Left  the\ndepot" }, "in_transit", "Left the depot"],
    [{ partner_code: "0405" }, "0405", ""],
    [{ text: "x".repeat(400) }, "", `${"x".repeat(160)}…`],
    [null, "", ""],
  ])("in the carrier's own codes, %j, is %j and %j", (said, code, text) => {
    expect(raw({ raw: said })).toEqual({ code, text });
  });
});

test("codes that are new to the page read as themselves", () => {
  expect([statusLabel("held_by_robots"), typeLabel("shipment.held_by_robots.v2"), typeLabel("shipment.eta_changed.v1")]).toEqual([
    "Held by robots", "Held by robots", "ETA changed",
  ]);
  expect([anomaly("odd_one").label, flagMeaning("odd_one").label, zone("guessed").label]).toEqual(["odd one", "odd one", "zone: guessed"]);
  expect(zone("guessed").doubt).toBe("strong");
});
