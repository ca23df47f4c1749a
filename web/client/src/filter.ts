// The filter of a subscription, as it stands on the wire.

/** The bounds of a range: one at each end at most, and at least one. */
export type Bounds<V extends string | number> =
  & ({ readonly gt?: V; readonly gte?: never } | { readonly gt?: never; readonly gte?: V })
  & ({ readonly lt?: V; readonly lte?: never } | { readonly lt?: never; readonly lte?: V });

/** West, south, east and north in degrees; a west above the east crosses the antimeridian. */
export type Box = readonly [west: number, south: number, east: number, north: number];

/** The names of fields by what they hold, which says what can be asked of them. */
export interface FieldNames {
  /** A string, or a list of strings of which any may pass. */
  readonly text: string;
  /** A whole number. */
  readonly count: string;
  readonly flag: string;
  /** A time, in RFC 3339. */
  readonly time: string;
  readonly place: string;
}

/** One test of one field. A row without the field fails every test, and passes its negation. */
export type Condition<F extends FieldNames = FieldNames> =
  | { readonly f: F["text"]; readonly op: "eq" | "prefix"; readonly v: string }
  | { readonly f: F["text"]; readonly op: "in"; readonly v: readonly string[] }
  | { readonly f: F["count"]; readonly op: "eq"; readonly v: number }
  | { readonly f: F["count"]; readonly op: "in"; readonly v: readonly number[] }
  | { readonly f: F["count"]; readonly op: "range"; readonly v: Bounds<number> }
  | { readonly f: F["flag"]; readonly op: "eq"; readonly v: boolean }
  | { readonly f: F["flag"]; readonly op: "in"; readonly v: readonly boolean[] }
  | { readonly f: F["time"]; readonly op: "range"; readonly v: Bounds<string> }
  | { readonly f: F["place"]; readonly op: "bbox"; readonly v: Box };

/** Which rows are wanted; an empty object for every one. The server refuses more than 16 conditions. */
export type Filter<F extends FieldNames = FieldNames> =
  | Readonly<Record<string, never>>
  | Condition<F>
  | { readonly and: readonly Filter<F>[] }
  | { readonly or: readonly Filter<F>[] }
  | { readonly not: Filter<F> };

/** The fields of orders. */
export interface OrderFields extends FieldNames {
  readonly text: "id" | "status" | "number" | "channel" | "holds" | "returns_open" | "flags";
  readonly count: "ordered" | "cancelled" | "shipped" | "delivered" | "returned" | "lost";
  /** held says that an order has holds. */
  readonly flag: "held";
  readonly time: "placed_at" | "promise_end";
  readonly place: never;
}

/** The fields of shipments. */
export interface ShipmentFields extends FieldNames {
  readonly text:
    | "id" | "status" | "carrier" | "direction" | "service" | "last_scan_type" | "last_location" | "numbers" | "orders";
  readonly count: "parcels" | "open_exceptions";
  readonly flag: "late" | "disputed" | "gap";
  readonly time: "status_since" | "last_scan_at" | "eta" | "promise_end";
  readonly place: "pos";
}

/** The fields of alerts. */
export interface AlertFields extends FieldNames {
  readonly text: "type" | "source" | "shipment" | "order";
  readonly count: never;
  readonly flag: never;
  readonly time: never;
  readonly place: never;
}

/** The one thing whose timeline is wanted. */
export type TimelineFilter = { readonly f: "order" | "shipment"; readonly op: "eq"; readonly v: string };
