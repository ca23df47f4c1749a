// The side panel: one shipment, its facts and its timeline.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Shipment } from "../store/rows.ts";
import type { Entry } from "../store/timeline.ts";
import { Age, Badge, Due, Moment, None, Status } from "./cells.tsx";
import { useApp } from "./context.ts";
import { EntryItem } from "./entry.tsx";
import { number, wall } from "./format.ts";

export function SidePanel() {
  const app = useApp();
  const { tab, selected } = app.query.value;
  if (selected === "") return null;
  return tab === "orders" ? <OrderPanel id={selected} /> : <ShipmentPanel id={selected} />;
}

export function Frame({ id, label, busy, children }: { id: string; label: string; busy: boolean; children: ComponentChildren }) {
  const app = useApp();
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (matchMedia("(max-width: 1023px)").matches) close.current?.focus();
  }, []);
  return (
    <aside class="panel" aria-label={`${label} ${id}`} aria-busy={busy} data-testid="panel" data-panel-id={id}>
      <header class="panelhead">
        <p class="kind">{label}</p>
        <h2>{id}</h2>
        <button ref={close} type="button" class="button icon" aria-label="Close" title="Close (Esc)" onClick={() => app.change({ selected: "" })}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8m0-8-8 8" /></svg>
        </button>
      </header>
      {children}
    </aside>
  );
}

function ShipmentPanel({ id }: { id: string }) {
  const app = useApp();
  app.frame.value;
  const state = app.panel.state.value;
  const row = app.shipments.visible.get(id) ?? state.timeline?.shipment ?? null;
  return (
    <Frame id={id} label="Shipment" busy={state.loading}>
      <div class="panelbody" tabIndex={0} role="region" aria-label="Facts and timeline">
        {row && <Facts row={row} />}
        {state.error && (
          <div class="notice" data-kind="stopped">
            <p>{state.missing ? "No such shipment." : `The timeline could not be loaded: ${state.error}.`}{state.timeline && " What is below is older."}</p>
            <button type="button" class="button" onClick={() => app.panel.refresh()}>Try again</button>
          </div>
        )}
        {state.timeline ? <Entries entries={state.timeline.entries} /> : state.loading && <p class="empty">Loading the timeline …</p>}
      </div>
    </Frame>
  );
}

function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="fact"><dt>{label}</dt><dd>{children}</dd></div>;
}

function Facts({ row }: { row: Shipment }) {
  const app = useApp();
  return (
    <>
      <div class="now">
        <Status status={row.status} />
        {row.statusSince !== null && <span class="soft">for <Age at={row.statusSince} /></span>}
        {row.openExceptions > 0 && <Badge tone="bad">{number(row.openExceptions)} open {row.openExceptions === 1 ? "exception" : "exceptions"}</Badge>}
        {row.disputed && <Badge tone="warn">disputed</Badge>}
        {row.gap && <Badge tone="note">gap</Badge>}
      </div>
      <dl class="facts">
        <Fact label="Carrier">{[row.carrier, row.service.replaceAll("_", " ")].filter(Boolean).join(" · ") || <None />}</Fact>
        <Fact label="ETA"><Due at={row.eta} /></Fact>
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

/** Newest first; the day stands once above its scans, on the clock of their place. */
function Entries({ entries }: { entries: readonly Entry[] }) {
  if (entries.length === 0) return <p class="empty">No events yet.</p>;
  const newest = entries.toReversed();
  return (
    <ol class="timeline" aria-label="Timeline, newest first" data-testid="timeline">
      {newest.map((entry, i) => {
        const day = wall(entry.occurredAt, entry.precision).day;
        const before = newest[i - 1];
        const first = !before || wall(before.occurredAt, before.precision).day !== day;
        return <EntryItem key={entry.key} entry={entry} day={first ? day : ""} />;
      })}
    </ol>
  );
}

function OrderPanel({ id }: { id: string }) {
  const app = useApp();
  app.frame.value;
  const row = app.orders.visible.get(id);
  const shipments = [...app.shipments.visible.values()].filter((s) => s.orders.includes(id));
  return (
    <Frame id={id} label="Order" busy={false}>
      <div class="panelbody" tabIndex={0} role="region" aria-label="Order">
        {!row && <p class="empty">This order is not open.</p>}
        {row && (
          <>
            <div class="now"><Status status={row.status} /></div>
            <dl class="facts">
              <Fact label="Number">{row.number || <None />}</Fact>
              <Fact label="Channel">{row.channel || <None />}</Fact>
              <Fact label="Placed">{row.placedAt === null ? <None /> : <Moment at={row.placedAt} />}</Fact>
              <Fact label="Promised by"><Due at={row.promiseEnd} /></Fact>
            </dl>
            <dl class="buckets">
              {(["ordered", "shipped", "delivered", "cancelled", "returned", "lost"] as const).map((key) => (
                <div key={key} data-zero={row[key] === 0 || undefined}><dt>{key}</dt><dd>{number(row[key])}</dd></div>
              ))}
            </dl>
          </>
        )}
        <h3>Open shipments</h3>
        {shipments.length === 0 ? <p class="soft">None.</p> : (
          <ul class="plain">
            {shipments.map((s) => (
              <li key={s.id}>
                <button type="button" class="link" onClick={() => app.go("shipments", { selected: s.id })}>{s.id}</button> <Status status={s.status} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </Frame>
  );
}
