// What can be subscribed to, and what comes of it.

import { parseAlert, parseEntry, type Alert, type Entry } from "./entries.ts";
import type { AlertFields, Filter, OrderFields, ShipmentFields, TimelineFilter } from "./filter.ts";
import type { WireRow } from "./frames.ts";
import { parseCount, parseOrder, parseShipment, type Count, type Order, type Shipment } from "./rows.ts";

/** The topics: of each its rows, and the filters that it takes. */
export interface Topics {
  readonly orders: { readonly row: Order; readonly filter: Filter<OrderFields> };
  readonly shipments: { readonly row: Shipment; readonly filter: Filter<ShipmentFields> };
  readonly kpis: { readonly row: Count; readonly filter: Readonly<Record<string, never>> };
  readonly timeline: { readonly row: Entry; readonly filter: TimelineFilter };
  readonly alerts: { readonly row: Alert; readonly filter: Filter<AlertFields> };
}

/** The name of a topic. */
export type Topic = keyof Topics;

/** The row of a topic. */
export type RowOf<T extends Topic> = Topics[T]["row"];

/** The filter of a topic. */
export type FilterOf<T extends Topic> = Topics[T]["filter"];

/** How the rows of a topic are read and told apart. */
export interface Kind<R> {
  parse(wire: WireRow): R;
  key(row: R): string;
  /** Whether two rows of one key say the same, as far as is seen without comparing every field. */
  same(a: R, b: R): boolean;
  /** True when a snapshot has everything up to its position. One of alerts has nothing: what came before it stays. */
  readonly past: boolean;
  /** How many rows are kept, the newest; without limit where the server sets one. */
  readonly keep: number;
}

const state = { past: true, keep: Infinity };

/** Every topic's kind. */
export const topics: { readonly [T in Topic]: Kind<RowOf<T>> } = {
  orders: { ...state, parse: parseOrder, key: (o) => o.id, same: (a, b) => a.v === b.v },
  shipments: { ...state, parse: parseShipment, key: (s) => s.id, same: (a, b) => a.v === b.v },
  kpis: { ...state, parse: parseCount, key: (c) => c.id, same: (a, b) => a.n === b.n },
  timeline: { ...state, parse: parseEntry, key: (e) => e.key, same: (a, b) => JSON.stringify(a) === JSON.stringify(b) },
  alerts: { parse: parseAlert, key: (e) => e.key, same: (a, b) => JSON.stringify(a) === JSON.stringify(b), past: false, keep: 500 },
};
