// What is known of an order as it is now, and which shipments carry it.

import { openOrders, type Entry, type Order } from "@waybill-io/client";
import { Badge, Due, Fact, Moment, None, Status } from "./cells.tsx";
import { useApp } from "./context.ts";
import { number } from "./format.ts";
import { Overlays } from "./overlays.tsx";
import { flagMeaning } from "./words.ts";

const buckets = ["ordered", "shipped", "delivered", "cancelled", "returned", "lost"] as const;

export function OrderFacts({ row, entries }: { row: Order; entries: readonly Entry[] }) {
  // A promise that was kept or dropped is not overdue, however long ago it was.
  const over = !(openOrders as readonly string[]).includes(row.status);
  const meant = row.flags.map(flagMeaning).filter((f) => f.text !== "");
  return (
    <>
      <div class="now" data-testid="now">
        <Status status={row.status} />
        <Overlays row={row} />
        {row.flags.map((flag) => <Badge key={flag} tone="bad">{flagMeaning(flag).label}</Badge>)}
      </div>
      {meant.map((flag) => <p key={flag.label} class="why">{flag.text}</p>)}
      <dl class="facts">
        <Fact label="Number">{row.number || <None />}</Fact>
        <Fact label="Channel">{row.channel || <None />}</Fact>
        <Fact label="Placed">{row.placedAt === null ? <None /> : <Moment at={row.placedAt} />}</Fact>
        <Fact label="Promised by">{over && row.promiseEnd !== null ? <Moment at={row.promiseEnd} /> : <Due at={row.promiseEnd} />}</Fact>
      </dl>
      <dl class="buckets">
        {buckets.map((key) => (
          <div key={key} data-zero={row[key] === 0 || undefined}><dt>{key}</dt><dd>{number(row[key])}</dd></div>
        ))}
      </dl>
      <Shipments order={row.id} entries={entries} />
    </>
  );
}

/** The shipments that carry its lines: the open ones with their status, the others by what the timeline has of them. */
function Shipments({ order, entries }: { order: string; entries: readonly Entry[] }) {
  const app = useApp();
  app.frame.value;
  const open = new Map(app.shipmentsOf(order).map((s) => [s.id, s]));
  const told = entries.filter((e) => e.stream === "shipment").map((e) => e.streamId);
  const ids = [...new Set([...told, ...open.keys()])].sort();
  return (
    <>
      <h3>Shipments</h3>
      {ids.length === 0 ? <p class="soft">None.</p> : (
        <ul class="plain">
          {ids.map((id) => (
            <li key={id}>
              <button type="button" class="link" onClick={() => app.go("shipments", { selected: id })}>{id}</button>
              {open.has(id) ? <Status status={open.get(id)?.status ?? ""} /> : app.shipmentSub.loaded && <span class="soft">not open</span>}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
