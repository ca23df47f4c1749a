// The page as a whole.

import { useEffect } from "preact/hooks";
import { useApp } from "./context.ts";
import { Grid } from "./grid.tsx";
import { Help } from "./help.tsx";
import { onKey } from "./keys.ts";
import { Listbar } from "./listbar.tsx";
import { Notice } from "./notice.tsx";
import { SidePanel } from "./panel.tsx";
import { Tiles } from "./tiles.tsx";
import { Topbar } from "./topbar.tsx";

export function Page() {
  const app = useApp();
  useEffect(() => {
    const listen = (e: KeyboardEvent) => { if (onKey(app, e)) e.preventDefault(); };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
  const { tab, selected } = app.query.value;
  return (
    <>
      <Topbar />
      <main
        class="board" data-testid="board" data-state={app.state.value} data-link={app.link.value}
        data-stale={app.stale.value || undefined} data-tab={tab} data-panel={selected !== "" || undefined}
      >
        <Tiles />
        <Notice />
        <div class="split">
          <section class="list" aria-label={tab === "orders" ? "Orders" : "Shipments"}>
            <Listbar />
            <Grid />
          </section>
          <SidePanel />
        </div>
      </main>
      <Help />
    </>
  );
}
