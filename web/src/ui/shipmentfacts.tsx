// What is known of a shipment as it is now.

import { openShipments, type Shipment } from "@waybill-io/client";
import { Age, Badge, Due, Fact, Moment, None, Status } from "./cells.tsx";
import { useApp } from "./context.ts";
import { number } from "./format.ts";
import { markMeaning } from "./words.ts";

export function ShipmentFacts({ row }: { row: Shipment }) {
  const app = useApp();
  // What is over is neither getting old nor overdue, however long ago it was.
  const over = !(openShipments as readonly string[]).includes(row.status);
  return (
    <>
      <div class="now" data-testid="now">
        <Status status={row.status} />
        {row.statusSince !== null && <span class="soft">{over ? <>since <Moment at={row.statusSince} /></> : <>for <Age at={row.statusSince} /></>}</span>}
        {row.openExceptions > 0 && <Badge tone="bad">{number(row.openExceptions)} open {row.openExceptions === 1 ? "exception" : "exceptions"}</Badge>}
        {row.disputed && <Badge tone="warn">disputed</Badge>}
        {row.gap && <Badge tone="note">gap</Badge>}
      </div>
      {row.disputed && <p class="why">{markMeaning("disputed")}.</p>}
      {row.gap && <p class="why">{markMeaning("gap")}.</p>}
      <dl class="facts">
        <Fact label="Carrier">{[row.carrier, row.service.replaceAll("_", " ")].filter(Boolean).join(" · ") || <None />}</Fact>
        <Fact label="ETA">{over && row.eta !== null ? <Moment at={row.eta} /> : <Due at={row.eta} />}</Fact>
        <Fact label="Last scan">{row.lastScanAt === null ? <None /> : <><Moment at={row.lastScanAt} /> {row.lastLocation}</>}</Fact>
        <Fact label="Parcels">{number(row.parcels)}{row.direction && <span class="soft"> {row.direction}</span>}</Fact>
        <Fact label="Numbers">{row.numbers.length === 0 ? <None /> : row.numbers.map((n) => <code key={n}>{n}</code>)}</Fact>
        <Fact label="Orders">
          {row.orders.length === 0 ? <None /> : row.orders.map((o) => (
            <button key={o} type="button" class="link" onClick={() => app.go("orders", { search: o, selected: o })}>{o}</button>
          ))}
        </Fact>
      </dl>
    </>
  );
}
