// One event of a timeline: what, when and where on its own clock, from whom,
// and everything that makes it less than plain.

import type { Entry } from "../store/timeline.ts";
import { Badge } from "./cells.tsx";
import { note, place, raw } from "./facts.ts";
import { duration, exact, wall } from "./format.ts";
import { anomalyLabel, anomalyMeaning, typeLabel } from "./words.ts";

export function EntryItem({ entry, day }: { entry: Entry; day: string }) {
  const at = wall(entry.occurredAt, entry.precision);
  const out = entry.retractedBy !== null || entry.duplicateOf !== null || entry.anomalies.includes("clock_skew");
  const where = place(entry.data);
  const more = note(entry.data);
  const code = raw(entry.data);
  return (
    <li class="entry" data-class={entry.class} data-out={out || undefined} data-kind={kindOf(entry.type)} data-event-id={entry.id} data-type={entry.type}>
      {day && <p class="day">{day}</p>}
      <div class="when">
        <time dateTime={entry.occurredAt} title={`In your zone: ${exact(Date.parse(entry.occurredAt))}`}>{at.time}</time>
        <span class="offset">{zoneWords(entry, at.offset)}</span>
      </div>
      <i class="knot" aria-hidden="true" />
      <div class="what">
        <p class="title">
          <span>{typeLabel(entry.type)}</span>
          {where && <span class="place"> {where}</span>}
        </p>
        {more && <p class="note">{more}</p>}
        <Marks entry={entry} />
        <p class="origin">
          {code && <code title="The carrier's own code">{code}</code>}
          <span class="clip" title={`Source: ${entry.source}`}>{entry.source}</span>
          {entry.parcel && <span class="parcel" title="Parcel">{entry.parcel}</span>}
        </p>
        <Details entry={entry} />
      </div>
    </li>
  );
}

function Marks({ entry }: { entry: Entry }) {
  const late = Date.parse(entry.ingestedAt) - Date.parse(entry.occurredAt);
  return (
    <p class="badges">
      {entry.class === "EST" && <Badge tone="note" title="Estimated: does not touch the status">EST</Badge>}
      {entry.class === "PLN" && <Badge tone="note" title="Planned: does not touch the status">PLN</Badge>}
      {entry.late && <Badge tone="warn" title="Arrived after events that happened later">{late > 0 ? `late · ${duration(late)} after` : "late"}</Badge>}
      {entry.duplicateOf && <Badge tone="plain" title={`The same as ${entry.duplicateOf.id} of ${entry.duplicateOf.source}`}>duplicate</Badge>}
      {entry.retractedBy && <Badge tone="bad" title={`Retracted by ${entry.retractedBy.id} of ${entry.retractedBy.source}`}>retracted</Badge>}
      {entry.anomalies.map((code) => <Badge key={code} tone="warn" title={anomalyMeaning(code)}>{anomalyLabel(code)}</Badge>)}
      {entry.unmatched && <Badge tone="warn" title="No shipment had this number then">unmatched</Badge>}
    </p>
  );
}

function Details({ entry }: { entry: Entry }) {
  return (
    <details>
      <summary>Raw event</summary>
      <dl class="raw">
        <dt>id</dt><dd>{entry.id}</dd>
        <dt>type</dt><dd>{entry.type}</dd>
        <dt>stream</dt><dd>{entry.stream} {entry.streamId}</dd>
        <dt>occurred</dt><dd>{entry.occurredAt} ({entry.tzSource || "zone not stated"}, to the {entry.precision || "second"})</dd>
        {entry.recordedAt && <><dt>recorded</dt><dd>{entry.recordedAt}</dd></>}
        {entry.ingestedAt && <><dt>ingested</dt><dd>{entry.ingestedAt}</dd></>}
        {entry.duplicateOf && <><dt>duplicate of</dt><dd>{entry.duplicateOf.id} · {entry.duplicateOf.source}</dd></>}
        {entry.retractedBy && <><dt>retracted by</dt><dd>{entry.retractedBy.id} · {entry.retractedBy.source}</dd></>}
      </dl>
      <pre tabIndex={0}>{JSON.stringify(entry.data, null, 2)}</pre>
    </details>
  );
}

// A zone that nobody stated must not look like one that somebody did.
function zoneWords(entry: Entry, offset: string): string {
  if (entry.tzSource === "unknown") return "zone unknown";
  if (entry.tzSource === "assumed_utc") return "UTC assumed";
  return offset;
}

const kinds: Record<string, string> = {
  delivered: "good", exception_opened: "bad", lost: "bad", damaged: "bad", destroyed: "bad", customs_held: "warn",
  delivery_attempted: "warn", return_initiated: "warn", returned: "warn", cancelled: "warn",
};

function kindOf(type: string): string {
  return kinds[type.replace(/^\w+\./, "").replace(/\.v\d+$/, "")] ?? "plain";
}
