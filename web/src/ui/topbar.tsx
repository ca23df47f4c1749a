// Name, tabs, search, and how fresh the data is.

import type { App } from "../app.ts";
import type { Tab } from "../store/query.ts";
import { useApp } from "./context.ts";
import { Freshness } from "./freshness.tsx";

export function Topbar() {
  return (
    <header class="topbar">
      <h1 class="brand"><img src="/favicon.svg" alt="" width="22" height="22" />Waybill</h1>
      <Tabs />
      <Search />
      <Freshness />
      <Tools />
    </header>
  );
}

function Tabs() {
  const app = useApp();
  const tab = app.query.value.tab;
  const item = (key: Tab, label: string) => (
    <button type="button" class="tab" aria-pressed={tab === key} data-tab-button={key} onClick={() => app.go(key)}>{label}</button>
  );
  return <nav class="tabs" aria-label="Tables">{item("shipments", "Shipments")}{item("orders", "Orders")}</nav>;
}

function Search() {
  const app = useApp();
  const { search, tab } = app.query.value;
  const label = tab === "orders" ? "Search order or number" : "Search shipment, number or order";
  return (
    <label class="search">
      <span class="sr">{label}</span>
      <svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="7" cy="7" r="4.5" /><path d="m10.5 10.5 3.5 3.5" /></svg>
      <input
        id="search" type="search" value={search} placeholder={label} autocomplete="off" spellcheck={false} aria-controls="grid"
        onInput={(e) => app.change({ search: e.currentTarget.value }, "replace")}
        onPaste={(e) => pasteList(app, e)}
        onKeyDown={(e) => { if (e.key === "Enter") app.seek(); }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

// A single-line field would glue pasted lines together; a column of numbers is a list.
function pasteList(app: App, e: ClipboardEvent & { readonly currentTarget: HTMLInputElement }): void {
  const text = e.clipboardData?.getData("text") ?? "";
  if (!/[\r\n]/.test(text.trim())) return;
  e.preventDefault();
  app.change({ search: text.trim().split(/[\r\n]+/).map((line) => line.trim()).filter(Boolean).join(", ") }, "replace");
}

function Tools() {
  const app = useApp();
  const paused = app.paused.value;
  return (
    <div class="tools">
      <button type="button" class="button" aria-pressed={paused} data-testid="pause" onClick={() => app.togglePause()}>
        <svg viewBox="0 0 16 16" aria-hidden="true">{paused ? <path class="fill" d="M5 3.5v9l7-4.5z" /> : <path d="M5.5 3.5v9m5-9v9" />}</svg>
        {paused ? "Resume" : "Pause"}
      </button>
      <button type="button" class="button icon" aria-label="Help" title="Help (?)" onClick={() => { app.help.value = true; }}>?</button>
    </div>
  );
}
