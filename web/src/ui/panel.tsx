// The side panel: one shipment or order, its facts and its timeline, whether it
// is in the list or was looked up by its id.

import type { Order, Shipment } from "@waybill-io/client";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Tab } from "../store/query.ts";
import { useApp } from "./context.ts";
import { timeOfDay } from "./format.ts";
import { OrderFacts } from "./orderfacts.tsx";
import { ShipmentFacts } from "./shipmentfacts.tsx";
import { Entries } from "./timeline.tsx";

export function SidePanel() {
  const app = useApp();
  const { tab, selected } = app.query.value;
  if (selected === "") return null;
  return tab === "orders" ? <OrderPanel id={selected} /> : <ShipmentPanel id={selected} />;
}

function ShipmentPanel({ id }: { id: string }) {
  const app = useApp();
  app.frame.value;
  const { timeline } = app.panel.state.value;
  const row: Shipment | null = app.shipments.visible.get(id) ?? timeline?.shipment ?? null;
  return <Frame id={id} kind="shipments">{row && <ShipmentFacts row={row} />}</Frame>;
}

function OrderPanel({ id }: { id: string }) {
  const app = useApp();
  app.frame.value;
  const { timeline } = app.panel.state.value;
  const row: Order | null = app.orders.visible.get(id) ?? timeline?.order ?? null;
  return <Frame id={id} kind="orders">{row && <OrderFacts row={row} entries={timeline?.entries ?? []} />}</Frame>;
}

export const nouns = { shipments: "shipment", orders: "order" } as const;

function Frame({ id, kind, children }: { id: string; kind: Tab; children: ComponentChildren }) {
  const app = useApp();
  const close = useRef<HTMLButtonElement>(null);
  const { loading, timeline } = app.panel.state.value;
  const label = kind === "orders" ? "Order" : "Shipment";
  useEffect(() => {
    if (matchMedia("(max-width: 1023px)").matches) close.current?.focus();
  }, []);
  return (
    <aside class="panel" aria-label={`${label} ${id}`} aria-busy={loading} data-testid="panel" data-panel-id={id} data-kind={kind}>
      <header class="panelhead">
        <p class="kind">{label}</p>
        <h2>{id}</h2>
        <button ref={close} type="button" class="button icon" aria-label="Close" title="Close (Esc)" onClick={() => app.change({ selected: "" })}>
          <svg viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8m0-8-8 8" /></svg>
        </button>
      </header>
      <div class="panelbody" tabIndex={0} role="region" aria-label="Facts and timeline">
        <Age id={id} kind={kind} />
        {children}
        <Trouble id={id} kind={kind} />
        {timeline ? <Entries timeline={timeline} of={nouns[kind]} /> : loading && <p class="empty">Loading the timeline …</p>}
      </div>
    </aside>
  );
}

/** Says that what is shown does not change by itself: it is of the time when it was read. */
function Age({ id, kind }: { id: string; kind: Tab }) {
  const app = useApp();
  app.frame.value;
  app.pulse.value;
  const { timeline, readAt, loading } = app.panel.state.value;
  const open: ReadonlyMap<string, unknown> = kind === "orders" ? app.orders.visible : app.shipments.visible;
  if (!timeline || !app.subscription.loaded || open.has(id)) return null;
  return (
    <p class="asof" data-testid="asof">
      <span>Not open: as it was at {timeOfDay(readAt)}.</span>
      <button type="button" class="link" disabled={loading} onClick={() => app.panel.refresh()}>Read again</button>
    </p>
  );
}

function Trouble({ id, kind }: { id: string; kind: Tab }) {
  const app = useApp();
  const { error, missing, timeline } = app.panel.state.value;
  if (!error) return null;
  const other: Tab = kind === "orders" ? "shipments" : "orders";
  return (
    <div class="notice" data-kind="stopped" data-testid="trouble">
      {missing
        ? <p>No such {nouns[kind]}. {hint(kind)}</p>
        : <p>The timeline could not be loaded: {error}.{timeline && " What is below is older."}</p>}
      <button type="button" class="button" onClick={() => app.panel.refresh()}>Try again</button>
      {missing && <button type="button" class="button" onClick={() => app.go(other, { search: id, selected: id })}>Look for {other === "orders" ? "an order" : "a shipment"} of this id</button>}
    </div>
  );
}

function hint(kind: Tab): string {
  return kind === "orders"
    ? "An order is looked up by its id; the number that the customer sees is searched among the open ones only."
    : "A shipment is looked up by its id; a carrier’s number is searched among the open ones only.";
}
