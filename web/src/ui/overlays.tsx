// What holds of an order beside its status: holds, and returns that are under way.

import type { Order } from "@waybill-io/client";
import { Badge } from "./cells.tsx";
import { returnsLabel, spell } from "./words.ts";

export function Overlays({ row }: { row: Order }) {
  const open = row.returnsOpen;
  return (
    <>
      {row.holds.map((hold) => <Badge key={hold} tone="warn" title="Hold in force">{`hold: ${spell(hold).toLowerCase()}`}</Badge>)}
      {open.length > 0 && <Badge tone="warn" title={`Requested and not received yet: ${open.join(", ")}`}>{returnsLabel(open.length)}</Badge>}
    </>
  );
}
