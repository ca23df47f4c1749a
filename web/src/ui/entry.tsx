// One event of a timeline: what, when and where on its own clock, of which
// parcel, from whom, and everything that makes it less than plain.

import type { Entry } from "@waybill-io/client";
import type { Told } from "../store/history.ts";
import { Badge } from "./cells.tsx";
import { useApp } from "./context.ts";
import { note, place, raw } from "./facts.ts";
import { exact, wall } from "./format.ts";
import { remarks, type Remark } from "./remarks.ts";
import { typeLabel, zone } from "./words.ts";

export function EntryItem({ told, day, of }: { told: Told; day: string; of: "order" | "shipment" }) {
  const { entry } = told;
  const said = remarks(told);
  const where = place(entry.data);
  const more = note(entry.data, entry.type);
  return (
    <li
      class="entry" tabIndex={-1} data-class={entry.class} data-kind={kindOf(entry.type)} data-event-id={entry.id} data-type={entry.type}
      data-key={entry.key} data-out={entry.retractedBy !== null || undefined} data-still={said.some((r) => r.still) || undefined}
    >
      {day && <p class="day">{day}</p>}
      <When entry={entry} />
      <i class="knot" aria-hidden="true" />
      <div class="what">
        <p class="title">
          <span>{typeLabel(entry.type)}</span>
          {where && <span class="place"> {where}</span>}
        </p>
        {more && <p class="note">{more}</p>}
        <Said data={entry.data} />
        <Remarks all={said} />
        <Origin told={told} of={of} />
        <Details entry={entry} />
      </div>
    </li>
  );
}

function When({ entry }: { entry: Entry }) {
  const at = wall(entry.occurredAt, entry.precision);
  const { doubt, label } = zone(entry.tzSource);
  const dated = entry.precision === "day";
  return (
    <div class="when" data-doubt={doubt || undefined}>
      {dated
        ? <time dateTime={entry.occurredAt.slice(0, 10)} title="Only the day is known">day only</time>
        : <time dateTime={entry.occurredAt} title={`In your zone: ${exact(Date.parse(entry.occurredAt))}`}>{at.time}</time>}
      <span class="offset">{doubt === "strong" ? label : at.offset}</span>
    </div>
  );
}

/** The carrier's own codes and words. */
function Said({ data }: { data: Entry["data"] }) {
  const { code, text } = raw(data);
  if (!code && !text) return null;
  return (
    <p class="said" title="What the carrier sent">
      {code && <code>{code}</code>}
      {text && <q>{text}</q>}
    </p>
  );
}

function Remarks({ all }: { all: readonly Remark[] }) {
  const named = all.filter((r) => r.label !== "");
  return (
    <>
      {named.length > 0 && <p class="badges">{named.map((r) => <Badge key={r.code} tone={r.tone}>{r.label}</Badge>)}</p>}
      {all.filter((r) => r.text !== "").map((r) => (
        <p key={r.code} class="why" data-remark={r.code}>
          {r.still && <b>Moved nothing. </b>}{r.text}
          {r.about && <> <Jump to={r.about} /></>}
        </p>
      ))}
    </>
  );
}

function Jump({ to }: { to: Entry }) {
  const go = (e: MouseEvent) => {
    const list = (e.currentTarget as HTMLElement).closest(".timeline");
    const target = [...(list?.children ?? [])].find((li) => li instanceof HTMLElement && li.dataset["key"] === to.key) as HTMLElement | undefined;
    target?.scrollIntoView({ block: "center" });
    target?.focus({ preventScroll: true });
  };
  return <button type="button" class="link" aria-label={`Show ${typeLabel(to.type)}, ${to.id}`} onClick={go}>Show</button>;
}

/** Who said it, of which shipment and parcel, and by which number it came. */
function Origin({ told: { entry, shipment }, of }: { told: Told; of: "order" | "shipment" }) {
  const app = useApp();
  const number = entry.stream === "tracking" ? entry.streamId.replace(/^trk:/, "").replace(":", " ") : "";
  return (
    <p class="origin">
      {of === "order" && shipment !== "" && (
        <span><button type="button" class="link" title="Open this shipment" onClick={() => app.go("shipments", { selected: shipment })}>{shipment}</button></span>
      )}
      {entry.parcel && <span>parcel {entry.parcel}</span>}
      <span title="Source">{entry.source}</span>
      {number && <span title="It came by the carrier’s number">by number {number}</span>}
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
        {entry.anomalies.length > 0 && <><dt>anomalies</dt><dd>{entry.anomalies.join(", ")}</dd></>}
      </dl>
      <pre tabIndex={0}>{JSON.stringify(entry.data, null, 2)}</pre>
    </details>
  );
}

const kinds: Record<string, string> = {
  delivered: "good", exception_opened: "bad", lost: "bad", damaged: "bad", destroyed: "bad", payment_failed: "bad", customs_held: "warn",
  delivery_attempted: "warn", return_initiated: "warn", returned: "warn", cancelled: "warn", on_hold: "warn", backordered: "warn", retracted: "note",
};

function kindOf(type: string): string {
  return kinds[type.replace(/^\w+\./, "").replace(/\.v\d+$/, "")] ?? "plain";
}
