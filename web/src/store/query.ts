// The one filter object: it makes the list, the counts on the tiles and the URL.

import { openOrders, openShipments, type Order, type Row, type Shipment } from "@waybill-io/client";

export type Tab = "shipments" | "orders";

export interface Query {
  readonly tab: Tab;
  /** Statuses to show; empty means every one. */
  readonly status: readonly string[];
  /** A mark that rows must carry; "" means any row. */
  readonly mark: string;
  readonly search: string;
  readonly sort: string;
  readonly desc: boolean;
  /** The row whose panel is open; "" means none. */
  readonly selected: string;
}

type SortKey = string | number | null;

/** What can be asked of the rows of one topic. */
export interface Facets<R extends Row> {
  readonly statuses: readonly string[];
  readonly marks: Readonly<Record<string, (row: R, asOf: number) => boolean>>;
  readonly sorts: Readonly<Record<string, (row: R) => SortKey>>;
  readonly sort: string;
  readonly desc: boolean;
  readonly words: (row: R) => readonly string[];
}

function rank(statuses: readonly string[]): (row: Row) => number {
  return (row) => statuses.indexOf(row.status);
}

export const shipmentFacets: Facets<Shipment> = {
  statuses: openShipments,
  marks: {
    exceptions: (s) => s.openExceptions > 0,
    overdue: (s, asOf) => s.eta !== null && s.eta < asOf,
    disputed: (s) => s.disputed,
    gap: (s) => s.gap,
  },
  sorts: {
    id: (s) => s.id,
    status: rank(openShipments),
    carrier: (s) => `${s.carrier} ${s.service}`.trim() || null,
    scan: (s) => s.lastScanAt,
    parcels: (s) => s.parcels,
    eta: (s) => s.eta,
    exceptions: (s) => s.openExceptions,
  },
  sort: "scan",
  desc: true,
  words: (s) => [s.id, ...s.numbers, ...s.orders],
};

export const orderFacets: Facets<Order> = {
  statuses: openOrders,
  marks: {
    held: (o) => o.holds.length > 0,
    overdue: (o, asOf) => o.promiseEnd !== null && o.promiseEnd < asOf,
    flagged: (o) => o.flags.length > 0,
  },
  sorts: {
    id: (o) => o.id,
    number: (o) => o.number || null,
    status: rank(openOrders),
    channel: (o) => o.channel || null,
    placed: (o) => o.placedAt,
    promise: (o) => o.promiseEnd,
    units: (o) => o.ordered,
  },
  sort: "placed",
  desc: true,
  words: (o) => [o.id, o.number],
};

export const facets: { readonly shipments: Facets<Shipment>; readonly orders: Facets<Order> } = {
  shipments: shipmentFacets,
  orders: orderFacets,
};

export function defaultQuery(tab: Tab): Query {
  return { tab, status: [], mark: "", search: "", sort: facets[tab].sort, desc: facets[tab].desc, selected: "" };
}

/** A tile narrows a query in one way; its count is the number of rows behind that. */
export type Tile = { readonly kind: "all" } | { readonly kind: "status" | "mark"; readonly value: string };

/** The query behind a tile: what a click on it leads to. */
export function behind(query: Query, tile: Tile): Query {
  switch (tile.kind) {
    case "all": return { ...query, status: [] };
    case "status": return { ...query, status: [tile.value] };
    case "mark": return { ...query, mark: tile.value };
  }
}

export interface Counts {
  readonly all: number;
  readonly status: ReadonlyMap<string, number>;
  readonly mark: ReadonlyMap<string, number>;
}

export interface Selection {
  readonly ids: readonly string[];
  /** The sort key of each id, in the order of ids. */
  readonly keys: readonly SortKey[];
  readonly counts: Counts;
}

/** Lists and counts in one pass, so that the two cannot disagree. */
export function select<R extends Row>(
  rows: ReadonlyMap<string, R>, query: Query, facet: Facets<R>, asOf: number,
): Selection {
  const found = searcher(query.search, facet);
  const marked = facet.marks[query.mark];
  const status = new Map(facet.statuses.map((s) => [s, 0]));
  const mark = new Map(Object.keys(facet.marks).map((m) => [m, 0]));
  const listed: R[] = [];
  let all = 0;
  for (const row of rows.values()) {
    if (!found(row)) continue;
    const inMark = !marked || marked(row, asOf);
    const inStatus = query.status.length === 0 || query.status.includes(row.status);
    if (inMark) {
      all++;
      status.set(row.status, (status.get(row.status) ?? 0) + 1);
    }
    if (inStatus) {
      for (const [name, test] of Object.entries(facet.marks)) {
        if (test(row, asOf)) mark.set(name, (mark.get(name) ?? 0) + 1);
      }
    }
    if (inMark && inStatus) listed.push(row);
  }
  return { ...sorted(listed, query, facet), counts: { all, status, mark } };
}

function sorted<R extends Row>(rows: readonly R[], query: Query, facet: Facets<R>): Pick<Selection, "ids" | "keys"> {
  const key = facet.sorts[query.sort] ?? (() => null);
  const keyed = rows.map((row) => ({ id: row.id, key: key(row) }));
  keyed.sort((a, b) => compare(a.key, b.key, query.desc) || compare(a.id, b.id, false));
  return { ids: keyed.map((k) => k.id), keys: keyed.map((k) => k.key) };
}

// What is not known stands last in both directions.
function compare(a: SortKey, b: SortKey, desc: boolean): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b === desc ? 1 : -1;
}

// Written by hand, a number comes with spaces, dots or hyphens that the stored one has not.
function plain(text: string): string {
  return text.toLowerCase().replace(/[\s.\-]/g, "");
}

// One word is looked for anywhere in an id or number; of several, as pasted
// from a list, any one will do. Short pieces are one number typed with spaces.
function searcher<R extends Row>(search: string, facet: Facets<R>): (row: R) => boolean {
  const words = search.split(/[,;]+/).flatMap(split).map(plain).filter((w) => w !== "");
  if (words.length === 0) return () => true;
  return (row) => {
    const text = searchable(row, facet);
    return words.some((word) => text.includes(word));
  };
}

/** Whether a row has this very id or number, however it is written. */
export function isCalled<R extends Row>(row: R, name: string, facet: Facets<R>): boolean {
  return facet.words(row).some((word) => plain(word) === plain(name));
}

/** The one word that is searched for, or "" when it is several: spaces that someone typed into a number are left out. */
export function sought(search: string): string {
  const words = search.split(/[,;]+/).flatMap(split).map((w) => w.replace(/\s/g, "")).filter((w) => w !== "");
  return words.length === 1 ? words[0] ?? "" : "";
}

// Rows never change, so what can be found in one is put together once. The
// parts are kept apart by what no searched word can have.
const texts = new WeakMap<Row, string>();

function searchable<R extends Row>(row: R, facet: Facets<R>): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = facet.words(row).map(plain).join("\n");
    texts.set(row, text);
  }
  return text;
}

function split(text: string): string[] {
  const pieces = text.trim().split(/\s+/);
  return pieces.every((p) => p.length >= 5) ? pieces : [text];
}
