// What the table says when it has no rows: never the same words for "none" and "not known yet".

import { defaultQuery } from "../store/query.ts";
import { useApp } from "./context.ts";

export function Empty() {
  const app = useApp();
  app.pulse.value;
  const { tab, status, mark, search } = app.query.value;
  const noun = tab === "orders" ? "orders" : "shipments";
  const narrowed = status.length > 0 || mark !== "" || search !== "";
  if (!app.subscription.loaded) return <p class="empty">{waitingWords(app.link.value, noun)}</p>;
  return (
    <div class="empty" data-testid="empty">
      <p>{narrowed ? `No open ${noun} match.` : `No open ${noun}.`}</p>
      {narrowed && (
        <button type="button" class="button" onClick={() => app.change({ ...defaultQuery(tab), selected: app.query.peek().selected })}>
          Show all
        </button>
      )}
    </div>
  );
}

function waitingWords(link: string, noun: string): string {
  if (link === "connecting") return `Loading open ${noun} …`;
  return link === "signin" ? `Open ${noun} come with a token.` : `Open ${noun} could not be loaded.`;
}
