// The topics that are logs: timelines and alerts.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { identityKey, parseEntry, parseOrder, parseShipment, type Alert, type Entry, type Subscription } from "@waybill-io/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parseAlert } from "../src/entries.ts";
import { parseMessage } from "../src/parse.ts";
import { parseCount } from "../src/rows.ts";
import { Rig } from "./harness.ts";

let rig: Rig;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  rig = new Rig();
});

afterEach(() => {
  rig.client.stop();
  vi.useRealTimers();
});

function entry(id: string, more: object = {}): object {
  return {
    stream: "shipment", stream_id: "S-1", source: "erp", id, type: "shipment.departed.v1", class: "ACT", occurred_at: "2026-03-01T10:00:00+01:00",
    tz_source: "offset", time_precision: "minute", recorded_at: "2026-03-01T09:01:00Z", ingested_at: "2026-03-01T09:02:00Z", arrived_late: false,
    data: {}, marks: { unmatched: false }, ...more,
  };
}

const identity = (id: string) => ["shipment", "S-1", "erp", id];

/** Begins to follow one more topic, and answers with a snapshot. */
async function follow(topic: "timeline" | "alerts", ...entries: object[]): Promise<Subscription<Entry>> {
  await rig.live();
  const sub: Subscription<Entry> = topic === "alerts"
    ? rig.client.subscribe("alerts", { filter: { f: "type", op: "eq", v: "shipment.lost.v1" } }) as unknown as Subscription<Entry>
    : rig.client.subscribe("timeline", { filter: { f: "shipment", op: "eq", v: "S-1" } });
  snapshot(100, ...entries);
  return sub;
}

function snapshot(q: number, ...rows: object[]): void {
  rig.socket.say({ t: "snap", sid: rig.sid, epoch: "e1", page: 1, rows, more: false });
  rig.socket.say({ t: "live", sid: rig.sid, epoch: "e1", shape: "s2", q, resumed: false, rows: rows.length });
}

const ids = (sub: Subscription<Entry>) => [...sub.rows.values()].map((e) => e.id);

describe("a timeline", () => {
  test("is asked for by what it is of, and has its entries by identity", async () => {
    const sub = await follow("timeline", entry("e-1"), entry("e-2"), entry("e-2", { source: "edi" }));
    expect(rig.socket.last("sub")).toEqual({ t: "sub", sid: 2, topic: "timeline", filter: { f: "shipment", op: "eq", v: "S-1" } });
    expect(ids(sub)).toEqual(["e-1", "e-2", "e-2"]);
    expect(sub.rows.get(identityKey(identity("e-2")))?.source).toBe("erp");
  });

  test("takes what is added, puts what has other marks in its place, and drops what left it", async () => {
    const sub = await follow("timeline", entry("e-1"), entry("e-2"));
    const marked = entry("e-1", { marks: { retracted_by: { source: "erp", id: "e-3" }, unmatched: false } });
    rig.socket.say({ t: "ev", sid: 2, p: 100, q: 101, e: [marked, entry("e-3")], r: [identity("e-2")] });
    expect(ids(sub)).toEqual(["e-1", "e-3"]);
    expect(sub.rows.get(identityKey(identity("e-1")))?.retractedBy).toEqual({ source: "erp", id: "e-3" });
    expect(sub.position?.seq).toBe(101);
  });

  test("that misses a frame resumes, and one that cannot takes a snapshot", async () => {
    const sub = await follow("timeline", entry("e-1"));
    rig.socket.say({ t: "ev", sid: 2, p: 105, q: 106, e: [entry("e-9")], r: [] });
    expect(rig.socket.last("sub")).toMatchObject({ sid: 3, topic: "timeline", since: { seq: 100 } });
    rig.socket.say({ t: "reset", sid: 3, code: "history", retry_ms: 0 });
    expect(ids(sub)).toEqual(["e-1"]);
    snapshot(106, entry("e-1"), entry("e-5"));
    expect(ids(sub)).toEqual(["e-1", "e-5"]);
  });
});

describe("alerts", () => {
  test("come as they happen, each with what it is of", async () => {
    const sub = await follow("alerts");
    expect([rig.client.state(sub), sub.rows.size]).toEqual(["live", 0]);
    rig.socket.say({ t: "ev", sid: 2, p: 100, q: 101, e: [entry("e-1", { type: "shipment.lost.v1", shipment: "S-1" })], r: [] });
    expect([...sub.rows.values()] as Alert[]).toMatchObject([{ id: "e-1", shipment: "S-1", order: "" }]);
  });

  test("have no past: a snapshot says nothing of those before it, which stay", async () => {
    const sub = await follow("alerts");
    rig.socket.say({ t: "ev", sid: 2, p: 100, q: 101, e: [entry("e-1")], r: [] });
    rig.socket.say({ t: "reset", sid: 2, code: "slow", retry_ms: 0 });
    snapshot(140);
    expect(ids(sub)).toEqual(["e-1"]);
    rig.socket.say({ t: "reset", sid: 2, code: "authz", retry_ms: 0 });
    expect(ids(sub)).toEqual([]);
  });

  test("are kept up to a number, the newest", async () => {
    const sub = await follow("alerts");
    for (let i = 0; i < 60; i++) {
      rig.socket.say({ t: "ev", sid: 2, p: 100 + i, q: 101 + i, e: Array.from({ length: 10 }, (_, n) => entry(`e-${i * 10 + n}`)), r: [] });
    }
    expect(sub.rows.size).toBe(500);
    expect([ids(sub)[0], ids(sub).at(-1)]).toEqual(["e-100", "e-599"]);
  });
});

describe("the frames of the schemas", () => {
  const root = fileURLToPath(new URL("../../../schemas/ws", import.meta.url));
  const schema = (file: string) => JSON.parse(readFileSync(`${root}/${file}`, "utf8")) as { description?: string; examples?: { t: string }[] };
  const ofServer = readdirSync(root).filter((file) => schema(file).description?.startsWith("Server to client."));
  const examples = ofServer.flatMap((file) => schema(file).examples ?? []);

  test("are all of a kind that is known", () => {
    expect(ofServer.length).toBeGreaterThanOrEqual(10);
    expect(examples.length).toBeGreaterThan(ofServer.length);
    for (const example of examples) expect(parseMessage(JSON.stringify(example)).map((frame) => frame.t)).toEqual([example.t]);
  });

  test("have rows that can be read", () => {
    const parsers = [parseShipment, parseOrder, parseCount, parseEntry, parseAlert];
    const rows = examples.flatMap((example) => parseMessage(JSON.stringify(example))).flatMap((frame) => {
      if (frame.t === "snap") return frame.rows;
      return frame.t === "d" || frame.t === "ev" ? frame.put : [];
    });
    expect(rows.length).toBeGreaterThan(4);
    for (const row of rows) {
      const readers = parsers.filter((parse) => {
        try {
          return parse(row) !== null;
        } catch {
          return false;
        }
      });
      expect(readers.length, JSON.stringify(row)).toBeGreaterThan(0);
    }
  });
});
