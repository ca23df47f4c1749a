import { describe, expect, test } from "vitest";
import { duration, roughly, wall } from "../src/ui/format.ts";
import { note, place, raw } from "../src/ui/facts.ts";
import { anomalyMeaning, statusLabel, typeLabel } from "../src/ui/words.ts";

describe("a scan's time", () => {
  test.each([
    ["2026-03-01T10:00:00+01:00", "minute", { day: "Sun, 1 Mar 2026", time: "10:00", offset: "+01:00" }],
    ["2026-03-01T23:30:00-08:00", "minute", { day: "Sun, 1 Mar 2026", time: "23:30", offset: "−08:00" }],
    ["2026-03-01T00:05:07.25+05:45", "second", { day: "Sun, 1 Mar 2026", time: "00:05:07", offset: "+05:45" }],
    ["2026-03-01T10:00:00Z", "minute", { day: "Sun, 1 Mar 2026", time: "10:00", offset: "UTC" }],
    ["2026-03-01T10:00:00+00:00", "minute", { day: "Sun, 1 Mar 2026", time: "10:00", offset: "UTC" }],
    ["2026-03-01T10:00:00+01:00", "hour", { day: "Sun, 1 Mar 2026", time: "~10:00", offset: "+01:00" }],
    ["2026-03-01T10:00:03.004+01:00", "millisecond", { day: "Sun, 1 Mar 2026", time: "10:00:03", offset: "+01:00" }],
    ["2026-03-01T00:00:00+09:00", "day", { day: "Sun, 1 Mar 2026", time: "all day", offset: "+09:00" }],
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
  ])("of %j is %j", (data, want) => {
    expect(note(data as Record<string, unknown>)).toBe(want);
  });

  test("about its place and the carrier's code is told as far as it goes", () => {
    expect(place({ location: { city: "Laserlevel", region: "AB", country: "CA" } })).toBe("Laserlevel, AB, CA");
    expect([place({ facility: "LEJ" }), place({ location: { unlocode: "DEHAM" } }), place({})]).toEqual(["LEJ", "DEHAM", ""]);
    expect(raw({ raw: { standard: "X12-214", status: "AP", reason: "AG", text: "x" } })).toBe("X12-214 AP / AG");
    expect([raw({ raw: { text: "held" } }), raw({})]).toEqual(["held", ""]);
  });
});

test("codes that are new to the page read as themselves", () => {
  expect([statusLabel("held_by_robots"), typeLabel("shipment.customs_held.v2"), typeLabel("shipment.eta_changed.v1"), anomalyMeaning("odd")]).toEqual([
    "Held by robots", "Customs held", "ETA changed", "Anomaly: odd",
  ]);
});
