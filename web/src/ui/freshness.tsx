// How fresh the data is, in words that tick, and once per change for a screen reader.

import type { App } from "../app.ts";
import { useApp } from "./context.ts";
import { number, roughly, timeOfDay } from "./format.ts";
import { stateLabel } from "./words.ts";

export function Freshness() {
  const app = useApp();
  app.pulse.value;
  const state = app.state.value;
  return (
    <div class="freshness" data-state={state} data-testid="freshness">
      <span class="lamp" aria-hidden="true" />
      <strong>{stateLabel(state)}</strong>
      <span class="detail" aria-hidden="true">{detail(app)}</span>
      <span class="sr" role="status" aria-live="polite">{`Data: ${stateLabel(state)}`}</span>
    </div>
  );
}

function ago(app: App): string {
  const at = app.client.lastFrameAt;
  return at === null ? "" : roughly(Date.now() - at);
}

function detail(app: App): string {
  const { client } = app;
  switch (app.state.value) {
    case "live": return `checked ${ago(app)} ago`;
    case "lagging": return `${roughly(client.clock.lagMs(Date.now()))} behind`;
    case "frozen": return `silent for ${ago(app)}`;
    case "reconnecting": return client.lastFrameAt === null ? "" : `rows as of ${timeOfDay(client.lastFrameAt)}`;
    case "paused": return pausedDetail(app);
    default: return "";
  }
}

function pausedDetail(app: App): string {
  const changed = `${number(app.subscription.table.behind)} changed`;
  return app.link.value === "live" ? changed : `${changed} · ${stateLabel(app.link.value).toLowerCase()}`;
}
