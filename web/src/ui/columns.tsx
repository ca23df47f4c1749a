// The columns of the two tables.

import type { Order, Row, Shipment } from "@waybill-io/client";
import type { ComponentChildren } from "preact";
import { Age, Badge, Due, Id, Moment, None, Status } from "./cells.tsx";
import { number } from "./format.ts";
import { Overlays } from "./overlays.tsx";
import { flagMeaning, typeLabel } from "./words.ts";

export interface Column<R extends Row> {
  readonly key: string;
  readonly label: string;
  /** The sort that a click on the heading asks for; "" when there is none. */
  readonly sort: string;
  readonly cell: (row: R) => ComponentChildren;
}

function Marks({ row }: { row: Shipment }) {
  const n = row.openExceptions;
  return (
    <>
      {n > 0 && <Badge tone="bad" title="Open exceptions">{n === 1 ? "1 exception" : `${number(n)} exceptions`}</Badge>}
      {row.disputed && <Badge tone="warn" title="A physical scan came after the delivery">disputed</Badge>}
      {row.gap && <Badge tone="note" title="A stage was skipped: a scan is missing">gap</Badge>}
      {row.direction !== "" && row.direction !== "outbound" && <Badge tone="plain">{row.direction}</Badge>}
    </>
  );
}

function LastScan({ row }: { row: Shipment }) {
  if (row.lastScanAt === null) return <None />;
  return (
    <>
      <Moment at={row.lastScanAt} />
      <span class="clip">
        {row.lastLocation || typeLabel(row.lastScanType)}
        {row.lastLocation && row.lastScanType && <span class="soft"> {typeLabel(row.lastScanType).toLowerCase()}</span>}
      </span>
    </>
  );
}

function Several({ values }: { values: readonly string[] }) {
  if (values.length === 0) return <None />;
  return (
    <>
      <Id id={values[0] ?? ""} />
      {values.length > 1 && <span class="soft" title={values.join("\n")}>+{values.length - 1}</span>}
    </>
  );
}

export const shipmentColumns: readonly Column<Shipment>[] = [
  { key: "id", label: "Shipment", sort: "id", cell: (s) => <Id id={s.id} /> },
  { key: "status", label: "Status", sort: "status", cell: (s) => <Status status={s.status} /> },
  {
    key: "carrier", label: "Carrier", sort: "carrier",
    cell: (s) => s.carrier || s.service
      ? <span class="clip">{s.carrier}{s.service && <span class="soft"> {s.service.replaceAll("_", " ")}</span>}</span>
      : <None />,
  },
  { key: "scan", label: "Last scan", sort: "scan", cell: (s) => <LastScan row={s} /> },
  { key: "age", label: "Age", sort: "", cell: (s) => <Age at={s.lastScanAt} /> },
  { key: "parcels", label: "Parcels", sort: "parcels", cell: (s) => number(s.parcels) },
  { key: "eta", label: "ETA", sort: "eta", cell: (s) => <Due at={s.eta} /> },
  { key: "marks", label: "Attention", sort: "exceptions", cell: (s) => <Marks row={s} /> },
  { key: "number", label: "Number", sort: "", cell: (s) => <Several values={s.numbers} /> },
  { key: "order", label: "Order", sort: "", cell: (s) => <Several values={s.orders} /> },
];

function Units({ row }: { row: Order }) {
  return (
    <span class="units" title={`ordered ${row.ordered}, shipped ${row.shipped}, delivered ${row.delivered}, cancelled ${row.cancelled}, returned ${row.returned}, lost ${row.lost}`}>
      <meter min={0} max={Math.max(1, row.ordered - row.cancelled)} value={row.delivered} aria-hidden="true" />
      <span>{number(row.delivered)}<span class="soft"> / {number(row.shipped)} / {number(row.ordered)}</span></span>
    </span>
  );
}

function OrderMarks({ row }: { row: Order }) {
  return (
    <>
      <Overlays row={row} />
      {row.flags.map((flag) => <Badge key={flag} tone="bad" title={flagMeaning(flag).text}>{flagMeaning(flag).label}</Badge>)}
      {row.returned > 0 && <Badge tone="plain">{number(row.returned)} returned</Badge>}
      {row.lost > 0 && <Badge tone="bad">{number(row.lost)} lost</Badge>}
    </>
  );
}

export const orderColumns: readonly Column<Order>[] = [
  { key: "id", label: "Order", sort: "id", cell: (o) => <Id id={o.id} /> },
  { key: "status", label: "Status", sort: "status", cell: (o) => <Status status={o.status} /> },
  { key: "ordernumber", label: "Number", sort: "number", cell: (o) => (o.number ? <span class="clip">{o.number}</span> : <None />) },
  { key: "channel", label: "Channel", sort: "channel", cell: (o) => (o.channel ? <span class="clip">{o.channel}</span> : <None />) },
  { key: "placed", label: "Placed", sort: "placed", cell: (o) => (o.placedAt === null ? <None /> : <Moment at={o.placedAt} />) },
  { key: "orderage", label: "Age", sort: "", cell: (o) => <Age at={o.placedAt} /> },
  { key: "promise", label: "Promised by", sort: "promise", cell: (o) => <Due at={o.promiseEnd} /> },
  { key: "units", label: "Delivered / shipped / ordered", sort: "units", cell: (o) => <Units row={o} /> },
  { key: "ordermarks", label: "Attention", sort: "", cell: (o) => <OrderMarks row={o} /> },
];
