// What the table says when it has no rows: never the same words for "none" and "not known yet".

import { defaultQuery } from "../store/query.ts";
import { useApp } from "./context.ts";

export function Empty() {
  const app = useApp();
  app.frame.value;
  app.pulse.value;
  const { tab, status, mark, search } = app.query.value;
  const noun = tab === "orders" ? "orders" : "shipments";
  const id = app.lookup;
  const narrowed = status.length > 0 || mark !== "" || search !== "";
  if (!app.subscription.loaded) return <p class="empty">{waitingWords(app.link.value, noun)}</p>;
  return (
    <div class="empty" data-testid="empty">
      <p>{narrowed ? `No open ${noun} match.` : `No open ${noun}.`}</p>
      {id && <LookUp id={id} />}
      {narrowed && (
        <button type="button" class="button" onClick={() => app.change({ ...defaultQuery(tab), selected: app.query.peek().selected })}>
          Show all
        </button>
      )}
    </div>
  );
}

/** What is not open any more can still be read, by its id. */
export function LookUp({ id }: { id: string }) {
  const app = useApp();
  app.frame.value;
  const noun = app.query.value.tab === "orders" ? "order" : "shipment";
  return (
    <button type="button" class="button lookup" data-testid="lookup" title={`Open or not: the ${noun} with this id`} onClick={() => app.change({ selected: id })}>
      Look up {noun} <b class="clip">{id}</b>
      {app.view.ids.length === 0 && <kbd aria-hidden="true">Enter</kbd>}
    </button>
  );
}

function waitingWords(link: string, noun: string): string {
  if (link === "connecting") return `Loading open ${noun} …`;
  return link === "signin" ? `Open ${noun} come with a token.` : `Open ${noun} could not be loaded.`;
}
