// The table: only the rows in sight are in the document, each at its place.

import { useSignal } from "@preact/signals";
import type { Row as Data } from "@waybill-io/client";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { App } from "../app.ts";
import type { Column } from "./columns.tsx";
import { orderColumns, shipmentColumns } from "./columns.tsx";
import { useApp } from "./context.ts";
import { Row } from "./row.tsx";
import { Empty } from "./empty.tsx";

const overscan = 6;
const headHeight = 34;
const narrow = matchMedia("(max-width: 719px)");

function rowHeight(): number {
  return narrow.matches ? 68 : 36;
}

function useColumns(app: App): readonly Column<Data>[] {
  return (app.query.value.tab === "orders" ? orderColumns : shipmentColumns) as unknown as readonly Column<Data>[];
}

export function Grid() {
  const app = useApp();
  const box = useRef<HTMLDivElement>(null);
  const scroll = useSignal({ top: 0, height: 800 });
  const captured = useRef("");
  const columns = useColumns(app);
  app.frame.value;
  const { view } = app;
  const { tab, selected } = app.query.value;
  const height = rowHeight();

  const measure = () => {
    const el = box.current;
    if (!el) return;
    const next = { top: el.scrollTop, height: el.clientHeight };
    if (next.top !== scroll.peek().top || next.height !== scroll.peek().height) scroll.value = next;
  };
  useLayoutEffect(measure, []);
  useEffect(() => {
    const seen = new ResizeObserver(measure);
    if (box.current) seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  useReveal(app, box, height);

  const first = Math.max(0, Math.floor(scroll.value.top / height) - overscan);
  const last = Math.min(view.ids.length, Math.ceil((scroll.value.top + scroll.value.height) / height) + overscan);
  const inSight = view.ids.slice(first, last);
  const active = app.active.value;

  const table = (
    <div
      ref={box} class="grid" id="grid" role="grid" tabIndex={0} data-tab={tab} data-testid="grid"
      aria-label={tab === "orders" ? "Open orders" : "Open shipments"}
      aria-rowcount={view.ids.length + 1} aria-colcount={columns.length}
      aria-activedescendant={inSight.includes(active) ? `row-${active}` : undefined}
      onScroll={measure}
      onFocus={(e) => { if (e.target === box.current) app.hold("focus", true); }}
      onBlur={(e) => { if (e.target === box.current) app.hold("focus", false); }}
    >
      <Head columns={columns} />
      <div
        role="rowgroup" class="rows" style={{ height: `${view.ids.length * height}px` }}
        onPointerEnter={() => app.hold("pointer", true)}
        onPointerLeave={() => app.hold("pointer", false)}
        onPointerDown={(e) => { captured.current = rowId(e.target); }}
        onClick={() => { if (captured.current) choose(app, captured.current); }}
      >
        {inSight.map((id, i) => {
          const shown = view.shown(id);
          return shown && (
            <Row
              key={id} row={shown.row} columns={columns} index={first + i} top={(first + i) * height}
              active={id === active} open={id === selected} leaving={shown.leaving}
            />
          );
        })}
      </div>
    </div>
  );
  // Beside the table, not in it: a table has rows, not words and buttons.
  return <div class="gridbox">{table}{view.ids.length === 0 && <Empty />}</div>;
}

function rowId(target: EventTarget | null): string {
  return (target instanceof Element && target.closest<HTMLElement>("[data-row-id]")?.dataset["rowId"]) || "";
}

/** Opens what a row stands for. */
export function choose(app: App, id: string): void {
  app.active.value = id;
  app.change({ selected: app.query.peek().selected === id ? "" : id });
}

// The active row is brought into sight when the keyboard has moved it.
function useReveal(app: App, box: { readonly current: HTMLDivElement | null }, height: number): void {
  const active = app.active.value;
  useLayoutEffect(() => {
    const el = box.current;
    const index = app.view.ids.indexOf(active);
    if (!el || index < 0) return;
    const top = index * height;
    const room = el.clientHeight - (narrow.matches ? 0 : headHeight);
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + height > el.scrollTop + room) el.scrollTop = top + height - room;
  }, [active]);
}

function Head({ columns }: { columns: readonly Column<Data>[] }) {
  const app = useApp();
  const { sort, desc } = app.query.value;
  return (
    <div role="rowgroup" class="head">
      <div role="row" class="row headrow" aria-rowindex={1}>
        {columns.map((column, i) => {
          const on = column.sort !== "" && column.sort === sort;
          return (
            <div
              key={column.key} role="columnheader" aria-colindex={i + 1} class="cell" data-col={column.key}
              aria-sort={on ? (desc ? "descending" : "ascending") : undefined}
            >
              {column.sort === ""
                ? column.label
                : <button type="button" class="sort" onClick={() => app.sort(column.sort)}>{column.label}<i class="arrow" aria-hidden="true" /></button>}
            </div>
          );
        })}
      </div>
    </div>
  );
}
