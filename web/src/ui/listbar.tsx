// The line above the table: how many rows, what narrows them, what waits.

import { orderColumns, shipmentColumns } from "./columns.tsx";
import { useApp } from "./context.ts";
import { LookUp } from "./empty.tsx";
import { number, viewerZone } from "./format.ts";
import { Marks } from "./tiles.tsx";

export function Listbar() {
  const app = useApp();
  app.frame.value;
  const { view } = app;
  const noun = app.query.value.tab === "orders" ? "order" : "shipment";
  app.pulse.value;
  const n = view.ids.length;
  const known = app.subscription.loaded;
  return (
    <div class="listbar">
      <p class="total" data-testid="total" data-count={known ? n : undefined}><b>{known ? number(n) : "–"}</b> {known && n === 1 ? noun : `${noun}s`}</p>
      <Marks />
      {view.waiting > 0 && (
        <button
          type="button" class="button waiting" data-testid="waiting" data-count={view.waiting}
          title="Rows stay in place while the pointer or the focus is in the list" onClick={() => app.letIn()}
        >
          {number(view.waiting)} waiting · show
        </button>
      )}
      {n > 0 && app.lookup !== "" && <LookUp id={app.lookup} />}
      <SortPick />
      <p class="zone" title="Times in the table are in your zone; a timeline shows each scan's own">{viewerZone}</p>
    </div>
  );
}

/** The order of rows where there is no room for headings to click on. */
function SortPick() {
  const app = useApp();
  const { tab, sort, desc } = app.query.value;
  const columns = (tab === "orders" ? orderColumns : shipmentColumns).filter((c) => c.sort !== "");
  return (
    <label class="sortpick">
      <span class="sr">Sort by</span>
      <select value={`${desc ? "-" : ""}${sort}`} onChange={(e) => app.sortBy(e.currentTarget.value)}>
        {columns.flatMap((c) => [
          <option key={c.sort} value={c.sort}>{c.label} ↑</option>,
          <option key={`-${c.sort}`} value={`-${c.sort}`}>{c.label} ↓</option>,
        ])}
      </select>
    </label>
  );
}
