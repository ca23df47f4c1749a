// The keyboard: every action of the page without a pointer.

import type { App } from "../app.ts";
import { choose } from "./grid.tsx";

const pageRows = 15;

/** Handles a key anywhere on the page; says whether it meant something here. */
export function onKey(app: App, e: KeyboardEvent): boolean {
  if (app.help.peek() || e.ctrlKey || e.metaKey || e.altKey) return false;
  if (e.key === "Escape") return escape(app);
  if (isTyping(e.target)) return false;
  return command(app, e.key) || (inGrid() && gridKey(app, e.key));
}

function command(app: App, key: string): boolean {
  switch (key) {
    case "/": focus("search"); return true;
    case "?": app.help.value = true; return true;
    case "p": app.togglePause(); return true;
    case ".": app.letIn(); return true;
    case "j": return move(app, 1);
    case "k": return move(app, -1);
    default: return false;
  }
}

function gridKey(app: App, key: string): boolean {
  switch (key) {
    case "ArrowDown": return move(app, 1);
    case "ArrowUp": return move(app, -1);
    case "PageDown": return move(app, pageRows);
    case "PageUp": return move(app, -pageRows);
    case "Home": return move(app, -Infinity);
    case "End": return move(app, Infinity);
    case "Enter": return enter(app);
    default: return false;
  }
}

function enter(app: App): boolean {
  const id = app.active.peek();
  if (!app.view.ids.includes(id)) return false;
  choose(app, id);
  return true;
}

// With the panel open, it follows the active row.
function move(app: App, by: number): boolean {
  const { ids } = app.view;
  if (ids.length === 0) return false;
  focus("grid");
  const at = ids.indexOf(app.active.peek());
  const to = at < 0 ? (by === Infinity ? ids.length - 1 : 0) : Math.min(ids.length - 1, Math.max(0, at + by));
  const id = ids[to] ?? "";
  app.active.value = id;
  if (app.query.peek().selected) app.change({ selected: id }, "replace");
  return true;
}

function escape(app: App): boolean {
  if (app.query.peek().selected) {
    app.change({ selected: "" });
    if (!isTyping(document.activeElement)) focus("grid");
    return true;
  }
  (document.activeElement as HTMLElement | null)?.blur();
  return false;
}

function inGrid(): boolean {
  const at = document.activeElement;
  return at === document.body || at?.id === "grid";
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

function focus(id: string): void {
  document.getElementById(id)?.focus({ preventScroll: true });
}
