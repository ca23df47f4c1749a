// The entries of a timeline, newest first.

import type { Entry } from "@waybill-io/client";
import { useMemo } from "preact/hooks";
import { tell } from "../store/history.ts";
import type { Timeline } from "../store/timeline.ts";
import { EntryItem } from "./entry.tsx";
import { number, wall } from "./format.ts";

/** The day stands once above its scans, on the clock of their place. */
export function Entries({ timeline, of }: { timeline: Timeline; of: "order" | "shipment" }) {
  const { entries, whole } = timeline;
  const newest = useMemo(() => tell(entries).reverse(), [entries]);
  if (entries.length === 0) return <p class="empty">No events yet.</p>;
  return (
    <>
      {!whole && <p class="notice">Only the oldest {number(entries.length)} entries are shown.</p>}
      <ol class="timeline" aria-label="Timeline, newest first" data-testid="timeline">
        {newest.map((told, i) => {
          const day = dayOf(told.entry);
          const before = newest[i - 1];
          return <EntryItem key={told.entry.key} told={told} of={of} day={before && dayOf(before.entry) === day ? "" : day} />;
        })}
      </ol>
    </>
  );
}

function dayOf(entry: Entry): string {
  return wall(entry.occurredAt, entry.precision).day;
}
