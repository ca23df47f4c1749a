import type { Entry } from "@waybill-io/client";
import { describe, expect, test } from "vitest";
import { story, storyEntries, storyOrder } from "../e2e/story.ts";
import { tell, type Told } from "../src/store/history.ts";
import { fetchTimeline } from "../src/store/timeline.ts";
import { remarks, type Remark } from "../src/ui/remarks.ts";

async function read(entries: readonly object[]): Promise<readonly Entry[]> {
  const tokens = { current: async () => "t", fresh: async () => "t" };
  const body = JSON.stringify({ order: storyOrder, entries, next: "" });
  const timeline = await fetchTimeline("orders", story.order, tokens, async () => new Response(body), new AbortController().signal);
  return timeline.entries;
}

async function told(entries: readonly object[] = storyEntries()): Promise<Map<string, Told>> {
  return new Map(tell(await read(entries)).map((t) => [t.entry.id, t]));
}

function of(all: Map<string, Told>, id: string): Told {
  const one = all.get(id);
  if (!one) throw new Error(`no entry ${id}`);
  return one;
}

function said(one: Told): string[] {
  return remarks(one).map((r: Remark) => r.code);
}

/** An entry of the story with other fields. */
function like(id: string, more: object): object {
  const found = storyEntries().find((e) => e["id"] === id);
  if (!found) throw new Error(`no entry ${id}`);
  return { ...found, ...more };
}

describe("the entries of a timeline", () => {
  test("say of which shipment they are, also those that came by number", async () => {
    const all = await told();
    expect(["o1", "s4", "s5", "t1", "t7"].map((id) => of(all, id).shipment)).toEqual(["", story.laval, story.calgary, story.calgary, story.calgary]);
  });

  test("of a number that two shipments had are of the one that had it then", async () => {
    const [first, second] = ["s1", "s2"].map((shipment, i) => like("s2", {
      id: `assign-${shipment}`, stream_id: shipment, occurred_at: `2019-11-0${1 + i * 8}T08:00:00Z`,
    }));
    const all = await told([first, second, like("t6", {}), like("t8", { occurred_at: "2019-11-20T08:00:00Z" })] as object[]);
    expect(["t6", "t8"].map((id) => of(all, id).shipment)).toEqual(["s1", "s2"]);
  });

  test("of a number whose assignment is not here are of the shipment that they name, or of none", async () => {
    const all = await told([like("t6", { data: { shipment_id: "s9" } }), like("t8", {})]);
    expect(["t6", "t8"].map((id) => of(all, id).shipment)).toEqual(["s9", ""]);
  });

  test("name what takes them back, what comes in their place, and what that puts right", async () => {
    const all = await told();
    expect([of(all, "t5").retraction?.id, of(all, "t5").replacement?.id]).toEqual(["t7", "t6"]);
    expect(of(all, "t6").corrects?.id).toBe("t5");
    expect(of(all, "t7").target?.id).toBe("t5");
    expect(of(all, "t4").original?.id).toBe("t3");
    expect([...all.values()].filter((t) => t.corrects)).toHaveLength(1);
  });

  test("of two sources with one id are told apart: the retraction's own replaces", async () => {
    const all = tell(await read([...storyEntries(), like("t6", { source: "urn:other" })]));
    const wrong = all.find((t) => t.entry.id === "t5");
    expect(wrong?.replacement?.source).toBe("urn:cpcc:edi");
    expect(all.filter((t) => t.corrects).map((t) => t.entry.source)).toEqual(["urn:cpcc:edi"]);
  });

  test("stand alone where the others are not in the timeline, or in another stream", async () => {
    const moved = storyEntries().map((e) => (e["id"] === "t7" ? { ...e, stream_id: "trk:CPCC:OTHER" } : e));
    const all = await told(moved);
    expect([of(all, "t5").retraction, of(all, "t5").replacement, of(all, "t6").corrects, of(all, "t7").target]).toEqual([null, null, null, null]);
    expect(said(of(all, "t5"))).toEqual(["retracted"]);
    expect(remarks(of(all, "t7"))[0]?.text).toBe("It takes back t5 of urn:cpcc:edi, which is not in this timeline: it was wrong.");
  });
});

describe("what is said of an entry", () => {
  test("is every mark that it has, and nothing of a plain one", async () => {
    const all = await told();
    const marked = [...all].map(([id, t]) => [id, said(t).join(" ")]).filter(([, codes]) => codes !== "");
    expect(Object.fromEntries(marked)).toEqual({
      t1: "zone_unknown", t2: "late", t3: "zone_location", t4: "duplicate zone_location", t5: "retracted", t6: "correction", t7: "retraction",
      s3: "regression", s5: "EST", s7: "regression zone_assumed_utc",
    });
  });

  test("says that it moved nothing only where it moved nothing", async () => {
    const all = await told();
    expect([...all.values()].filter((t) => remarks(t).some((r) => r.still)).map((t) => t.entry.id)).toEqual(["s3", "t4", "t5", "s7"]);
  });

  test("tells in a sentence what and why", async () => {
    const all = await told();
    const text = (id: string, code: string) => remarks(of(all, id)).find((r) => r.code === code)?.text;
    expect(text("t5", "retracted")).toBe("It was taken back: it was wrong; instead there is “Delivery attempted” of Sun, 3 Nov 2019, 08:15.");
    expect(text("t6", "correction")).toBe("It comes in place of “Delivered” of Sun, 3 Nov 2019, 08:05, which was taken back.");
    expect(text("t7", "retraction")).toBe("It takes back “Delivered” of Sun, 3 Nov 2019, 08:05: it was wrong.");
    expect(text("t4", "duplicate")).toBe("It says the same as t3 of urn:cpcc:edi, which counts in its place.");
  });

  test("says how late it came, but not to the hour when only its day is known", async () => {
    const all = await told([like("t2", {}), like("t3", { arrived_late: true, time_precision: "day" })]);
    expect(remarks(of(all, "t2"))[0]?.label).toBe("late · 16 h after");
    expect(remarks(of(all, "t3"))[0]?.label).toBe("late");
  });

  test("of a retraction that another one forestalled is that it is not what took it back", async () => {
    const all = await told([...storyEntries(), like("t7", { id: "t70" })]);
    expect(remarks(of(all, "t70"))[0]?.text).toMatch(/is not what took that back/);
  });

  test("of an anomaly that is new to the page is at least its name", async () => {
    const all = await told([like("t8", { marks: { anomalies: ["very_odd"], unmatched: true } })]);
    expect(remarks(of(all, "t8")).map((r) => [r.code, r.label, r.still])).toEqual([["very_odd", "very odd", false], ["unmatched", "unmatched", true]]);
  });
});
