import { describe, expect, test } from "vitest";
import { defaultQuery, facets, type Query, type Tab } from "../src/store/query.ts";
import { formatQuery, parseQuery } from "../src/store/url.ts";
import { seeded } from "../e2e/data.ts";

const random = seeded(5);

function pick<T>(list: readonly T[]): T {
  return list[Math.floor(random() * list.length)] as T;
}

function anyQuery(): Query {
  const tab = pick<Tab>(["shipments", "orders"]);
  const facet = facets[tab];
  return {
    tab,
    status: facet.statuses.filter(() => random() < 0.3),
    mark: pick(["", ...Object.keys(facet.marks)]),
    search: pick(["", "shp_9", "a b, c", "50% & more?", "Köln/北京", "=#+"]),
    sort: pick(Object.keys(facet.sorts)),
    desc: random() < 0.5,
    selected: pick(["", "shp_9", "trk:DHL:1", "o-1"]),
  };
}

describe("an address", () => {
  test("gives back every query that it was made of", () => {
    for (let i = 0; i < 500; i++) {
      const query = anyQuery();
      expect(parseQuery(formatQuery(query))).toEqual(query);
    }
  });

  test("of the first page is empty", () => {
    expect(formatQuery(defaultQuery("shipments"))).toBe("");
    expect(parseQuery("")).toEqual(defaultQuery("shipments"));
  });

  test("can be read by a person", () => {
    const query = { ...defaultQuery("shipments"), status: ["in_transit", "returning"], sort: "eta", desc: false, selected: "shp_9" };
    expect(formatQuery(query)).toBe("?status=in_transit,returning&sort=eta&sel=shp_9");
  });

  test.each(["?status=nonsense", "?sort=constructor", "?mark=toString", "?tab=elsewhere", "?status=", "?x=1"])("with what is not known (%s) leaves that out", (search) => {
    expect(parseQuery(search)).toEqual(defaultQuery("shipments"));
  });
});
