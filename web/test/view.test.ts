import { openShipments, parseOrder, parseShipment, Table, topics, type Order, type Shipment } from "@waybill-io/client";
import { describe, expect, test } from "vitest";
import { behind, defaultQuery, isCalled, orderFacets, select, shipmentFacets, sought, type Query, type Tile } from "../src/store/query.ts";
import { View } from "../src/store/view.ts";
import { fill, seeded } from "../e2e/data.ts";
import { FakeServer } from "../e2e/server.ts";
import { row } from "../client/test/harness.ts";

const now = Date.UTC(2026, 2, 1, 12);
const start = defaultQuery("shipments");

function shipment(id: string, more: object = {}): Shipment {
  return parseShipment(row(id, "in_transit", { last_scan_at: new Date(now - 60_000).toISOString(), ...more }));
}

function scanned(id: string, secondsAgo: number, more: object = {}): Shipment {
  return shipment(id, { last_scan_at: new Date(now - secondsAgo * 1000).toISOString(), ...more });
}

function table(...rows: Shipment[]): Table<Shipment> {
  const t = new Table(topics.shipments);
  t.apply(rows, []);
  return t;
}

describe("tiles", () => {
  const server = new FakeServer();
  fill(server, 800, 3, now);
  const shipments = new Map([...server.tables["shipments"]!].map(([id, r]) => [id, parseShipment(r)]));
  const orders = new Map([...server.tables["orders"]!].map(([id, r]) => [id, parseOrder(r)]));
  const random = seeded(11);
  const some = <T,>(list: readonly T[]): T[] => list.filter(() => random() < 0.25);
  const queries = (tab: "shipments" | "orders", statuses: readonly string[], marks: readonly string[], words: readonly string[]): Query[] =>
    Array.from({ length: 60 }, () => ({
      ...defaultQuery(tab), status: some(statuses), mark: ["", ...marks][Math.floor(random() * (marks.length + 1))] ?? "",
      search: words[Math.floor(random() * words.length)] ?? "",
    }));

  function counted<R extends Shipment | Order>(rows: ReadonlyMap<string, R>, query: Query, facet: Parameters<typeof select<R>>[2]): [string, number, number][] {
    const { counts } = select(rows, query, facet, now);
    const tiles: [Tile, number][] = [
      [{ kind: "all" }, counts.all],
      ...facet.statuses.map((value): [Tile, number] => [{ kind: "status", value }, counts.status.get(value) ?? 0]),
      ...Object.keys(facet.marks).map((value): [Tile, number] => [{ kind: "mark", value }, counts.mark.get(value) ?? 0]),
    ];
    return tiles.map(([tile, count]) => [JSON.stringify(tile), count, select(rows, behind(query, tile), facet, now).ids.length]);
  }

  test("of shipments count exactly the rows behind them, whatever else is asked", () => {
    for (const query of queries("shipments", openShipments, Object.keys(shipmentFacets.marks), ["", "jd0146", "o-100", "shp_3"])) {
      for (const [tile, count, rows] of counted(shipments, query, shipmentFacets)) {
        expect(count, `${tile} of ${JSON.stringify(query)}`).toBe(rows);
      }
    }
  });

  test("of orders count exactly the rows behind them, whatever else is asked", () => {
    for (const query of queries("orders", orderFacets.statuses, Object.keys(orderFacets.marks), ["", "w-7001"])) {
      for (const [tile, count, rows] of counted(orders, query, orderFacets)) {
        expect(count, `${tile} of ${JSON.stringify(query)}`).toBe(rows);
      }
    }
  });

  test("of all statuses add up to all", () => {
    const { counts } = select(shipments, start, shipmentFacets, now);
    expect([...counts.status.values()].reduce((a, b) => a + b)).toBe(counts.all);
    expect(counts.all).toBe(shipments.size);
  });

  test("count what the list shows after the data changed", () => {
    const t = table(shipment("a"), shipment("b"));
    const view = new View(t, shipmentFacets, { ...start, status: ["in_transit"] });
    view.settle(now);
    t.apply([shipment("c"), shipment("a", { status: "returning" })], []);
    view.settle(now + 1000);
    expect(view.counts.status.get("in_transit")).toBe(view.ids.length);
    expect([...view.ids].sort()).toEqual(["b", "c"]);
  });
});

describe("a search", () => {
  const rows = new Map([
    shipment("shp_1", { numbers: ["1Z999AA10123456784"], orders: ["o-77"] }), shipment("shp_2", { numbers: ["JD014600001"] }), shipment("shp_3"),
  ].map((s) => [s.id, s]));
  const find = (search: string) => [...select(rows, { ...start, search }, shipmentFacets, now).ids].sort();

  test.each([
    ["SHP_2", ["shp_2"]],
    ["9AA101", ["shp_1"]],
    ["o-77", ["shp_1"]],
    ["1Z 999 AA1 0123 4567 84", ["shp_1"]],
    ["jd.0146-00001", ["shp_2"]],
    ["shp_1, shp_3", ["shp_1", "shp_3"]],
    ["shp_1 shp_3", ["shp_1", "shp_3"]],
    ["  ", ["shp_1", "shp_2", "shp_3"]],
    ["nothing", []],
  ])("for %j finds %j", (search, ids) => {
    expect(find(search)).toEqual(ids);
  });
});

describe("an order of rows", () => {
  const rows = new Map([
    scanned("new", 5), scanned("old", 500), shipment("never", { last_scan_at: null }), scanned("mid-b", 50), scanned("mid-a", 50),
  ].map((s) => [s.id, s]));

  test("puts what is not known last in both directions, and equals by id", () => {
    expect(select(rows, { ...start, sort: "scan", desc: true }, shipmentFacets, now).ids).toEqual(["new", "mid-a", "mid-b", "old", "never"]);
    expect(select(rows, { ...start, sort: "scan", desc: false }, shipmentFacets, now).ids).toEqual(["old", "mid-a", "mid-b", "new", "never"]);
  });
});

describe("a view", () => {
  test("shows the first rows at once and re-orders at most once a second", () => {
    const t = new Table(topics.shipments);
    const view = new View(t, shipmentFacets, start);
    view.settle(now);
    t.apply([scanned("a", 10)], []);
    view.settle(now + 1);
    expect(view.ids).toEqual(["a"]);
    t.apply([scanned("b", 5)], []);
    expect(view.settle(now + 500)).toBe(false);
    expect(view.ids).toEqual(["a"]);
    expect(view.settle(now + 1001)).toBe(true);
    expect(view.ids).toEqual(["b", "a"]);
  });

  test.each(["pointer", "focus"] as const)("holds its order while the %s is in the list, and counts what waits", (reason) => {
    const t = table(scanned("a", 10), scanned("b", 20), scanned("c", 30), scanned("d", 40));
    const view = new View(t, shipmentFacets, start);
    view.settle(now);
    view.hold(reason, true);
    t.apply([scanned("new", 1), scanned("d", 2)], ["b"]);
    view.settle(now + 60_000);
    expect(view.ids).toEqual(["a", "b", "c", "d"]);
    expect(view.waiting).toBe(3);
    view.hold(reason, false);
    view.settle(now + 62_000);
    expect(view.ids).toEqual(["new", "d", "a", "c"]);
    expect(view.waiting).toBe(0);
  });

  test("is held until both pointer and focus have left", () => {
    const t = table(scanned("a", 10));
    const view = new View(t, shipmentFacets, start);
    view.settle(now);
    view.hold("pointer", true);
    view.hold("focus", true);
    view.hold("pointer", false);
    t.apply([scanned("b", 1)], []);
    view.settle(now + 5000);
    expect(view.ids).toEqual(["a"]);
    view.hold("focus", false);
    view.settle(now + 7000);
    expect(view.ids).toEqual(["b", "a"]);
  });

  test("shows held rows as they are now, and those that are gone as they were last", () => {
    const t = table(scanned("a", 10), scanned("b", 20), scanned("c", 30));
    const view = new View(t, shipmentFacets, { ...start, status: ["in_transit"] });
    view.settle(now);
    view.hold("pointer", true);
    t.apply([scanned("a", 1, { status: "returning", v: 2 })], ["b"]);
    view.settle(now + 2000);
    expect(view.shown("a")).toMatchObject({ leaving: true, row: { status: "returning", v: 2 } });
    expect(view.shown("b")).toMatchObject({ leaving: true, row: { id: "b" } });
    expect(view.shown("c")).toMatchObject({ leaving: false });
  });

  test("keeps its counts true while it is held", () => {
    const t = table(scanned("a", 10), scanned("b", 20));
    const view = new View(t, shipmentFacets, start);
    view.settle(now);
    view.hold("pointer", true);
    t.apply([scanned("c", 1)], []);
    view.settle(now + 2000);
    expect(view.counts.all).toBe(3);
    expect(view.ids).toHaveLength(2);
    expect(view.waiting).toBe(1);
  });

  test("follows the person at once, held or not", () => {
    const t = table(scanned("a", 10), scanned("b", 20, { status: "returning" }));
    const view = new View(t, shipmentFacets, start);
    view.settle(now);
    view.hold("focus", true);
    view.ask({ ...start, status: ["returning"] }, now + 10);
    expect(view.ids).toEqual(["b"]);
    t.apply([scanned("c", 1, { status: "returning" })], []);
    view.settleNow(now + 20);
    expect(view.ids).toEqual(["c", "b"]);
  });

  test("notices when a time passes, though no row changed", () => {
    const t = table(shipment("a", { eta: new Date(now + 30_000).toISOString() }));
    const view = new View(t, shipmentFacets, start);
    view.settle(now);
    expect(view.counts.mark.get("overdue")).toBe(0);
    view.settle(now + 60_000);
    expect(view.counts.mark.get("overdue")).toBe(1);
  });

  test("does no work while nothing changes", () => {
    const view = new View(table(shipment("a")), shipmentFacets, start);
    view.settle(now);
    const { ids } = view;
    expect(view.settle(now + 5000)).toBe(false);
    expect(view.ids).toBe(ids);
  });
});

describe("a pause", () => {
  test("holds what is visible, counts the rows behind it, and lets them in at once", () => {
    const t = table(shipment("a"), shipment("b"));
    t.pause();
    t.apply([shipment("a", { v: 2 }), shipment("c")], ["b"]);
    t.apply([shipment("a", { v: 3 })], []);
    expect([...t.visible.keys()]).toEqual(["a", "b"]);
    expect(t.visible.get("a")?.v).toBe(1);
    expect(t.behind).toBe(3);
    t.resume();
    expect([...t.visible.keys()]).toEqual(["a", "c"]);
    expect(t.behind).toBe(0);
  });

  test("counts what a snapshot behind it changed, and no more", () => {
    const t = table(shipment("a"), shipment("b"), shipment("c"));
    t.pause();
    t.replace(new Map([shipment("a"), shipment("b", { v: 9 }), shipment("d")].map((s) => [s.id, s])));
    expect(t.behind).toBe(3);
  });
});

describe("a search for one thing", () => {
  test.each([
    ["shp_9", "shp_9"], ["  shp_9 ", "shp_9"], ["4343 6383 1602 6577", "4343638316026577"], ["trk:CPCC:1", "trk:CPCC:1"],
    ["", ""], ["shp_9, shp_8", ""], ["shipment9 shipment8", ""], [" , ", ""],
  ])("in %j is for %j", (search, want) => {
    expect(sought(search)).toBe(want);
  });

  test("is answered by the row that is called so, however it is written, not by one that has it in its name", () => {
    const one = shipment("shp_10", { numbers: ["JD0146"], orders: ["o-1"] });
    const called = ["shp_10", "SHP_10", "jd 01-46", "o-1", "shp_1", "JD01"].map((name) => isCalled(one, name, shipmentFacets));
    expect(called).toEqual([true, true, true, true, false, false]);
  });
});
