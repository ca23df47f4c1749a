// The counts, each of them a filter: what it says is how many rows are behind
// it, and nothing before that is known.

import type { Tile } from "../store/query.ts";
import { useApp } from "./context.ts";
import { number } from "./format.ts";
import { markLabel, markMeaning, statusLabel } from "./words.ts";

export function Tiles() {
  const app = useApp();
  app.frame.value;
  app.pulse.value;
  const { counts, facet } = app.view;
  const { status } = app.query.value;
  return (
    <section class="tiles" aria-label="Counts by status" data-testid="tiles">
      <Count tile={{ kind: "all" }} name="all" label="All open" count={counts.all} on={status.length === 0} />
      {facet.statuses.map((s) => (
        <Count key={s} tile={{ kind: "status", value: s }} name={s} label={statusLabel(s)} count={counts.status.get(s) ?? 0} on={status.includes(s)} share={counts.all} />
      ))}
    </section>
  );
}

function Count({ tile, name, label, count, on, share }: {
  tile: Tile; name: string; label: string; count: number; on: boolean; share?: number;
}) {
  const app = useApp();
  const known = app.subscription.loaded;
  return (
    <button
      type="button" class="tile" aria-pressed={on} data-tile={name} data-count={known ? count : undefined} data-zero={count === 0 || undefined}
      title={share === undefined ? undefined : "Shift-click to add to the filter"}
      onClick={(e) => app.press(tile, e.shiftKey || e.ctrlKey || e.metaKey)}
    >
      <span class="count">{known ? number(count) : "–"}</span>
      <span class="label">{share !== undefined && <i class="dot" data-tone={name} aria-hidden="true" />}<span class="clip">{label}</span></span>
      {share !== undefined && <span class="bar" aria-hidden="true"><i data-tone={name} style={{ width: `${share > 0 ? (count / share) * 100 : 0}%` }} /></span>}
    </button>
  );
}

export function Marks() {
  const app = useApp();
  app.frame.value;
  app.pulse.value;
  const known = app.subscription.loaded;
  const { counts, facet } = app.view;
  const { mark } = app.query.value;
  return (
    <div class="marks" role="group" aria-label="Attention">
      {Object.keys(facet.marks).map((name) => {
        const count = counts.mark.get(name) ?? 0;
        return (
          <button
            key={name} type="button" class="chip" aria-pressed={mark === name} title={markMeaning(name)}
            data-tile={`mark:${name}`} data-count={known ? count : undefined} data-zero={count === 0 || undefined}
            onClick={() => app.press({ kind: "mark", value: name }, false)}
          >
            {markLabel(name)} <b>{known ? number(count) : "–"}</b>
          </button>
        );
      })}
    </div>
  );
}
