// The page's state: the store on one side, signals for the screen on the other.

import { computed, signal } from "@preact/signals";
import {
  Client, isStale, linkState, openOrders, openShipments, shownState, Table, topics, type Order, type Row, type Shipment, type Subscription,
} from "@waybill-io/client";
import { Panel } from "./panel.ts";
import { behind, defaultQuery, isCalled, orderFacets, shipmentFacets, sought, type Query, type Tab, type Tile } from "./store/query.ts";
import { idPattern } from "./store/timeline.ts";
import { Tokens } from "./store/tokens.ts";
import { formatQuery, parseQuery } from "./store/url.ts";
import { View } from "./store/view.ts";

const few = 20; // with more rows than these found, a search is not for one of them

export class App {
  readonly query = signal<Query>(parseQuery(location.search));
  /** The server's time, ticking once a second: ages on the screen follow it. */
  readonly now = signal(Date.now());
  /** Grows when rows, order or counts changed, at most once per animation frame. */
  readonly frame = signal(0);
  /** Grows when the connection or a subscription changed, and with every tick. */
  readonly pulse = signal(0);
  readonly paused = signal(false);
  readonly active = signal("");
  readonly help = signal(false);

  readonly tokens = new Tokens((url, init) => fetch(url, init), sessionStorage);
  readonly client = new Client({ url: location.origin, token: this.tokens, name: "dash/0.1.0" });
  readonly panel = new Panel(this.tokens, (url, init) => fetch(url, init));

  readonly shipments = new Table(topics.shipments);
  readonly orders = new Table(topics.orders);
  readonly shipmentSub = this.client.subscribe("shipments", { filter: { f: "status", op: "in", v: openShipments }, table: this.shipments });
  /** Asked for with the first look at the orders. */
  orderSub: Subscription<Order> | null = null;
  readonly shipmentView = new View(this.shipments, shipmentFacets, this.query.peek());
  readonly orderView = new View(this.orders, orderFacets, this.query.peek());

  readonly link = computed(() => {
    this.pulse.value;
    return linkState(this.client, this.subscription, Date.now());
  });
  readonly state = computed(() => shownState(this.link.value, this.paused.value));
  readonly stale = computed(() => isStale(this.link.value));

  #raf = 0;
  #panelRows: readonly (Row | undefined)[] = [];

  start(): void {
    this.#follow(this.shipmentSub);
    this.client.listen(() => this.#linkChanged());
    this.#open(this.query.peek());
    this.client.start();
    setInterval(() => this.#tick(), 1000);
    addEventListener("popstate", () => this.#open(parseQuery(location.search)));
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#tick();
    });
  }

  get view(): View<Row> {
    return (this.query.value.tab === "orders" ? this.orderView : this.shipmentView) as unknown as View<Row>;
  }

  get subscription(): Subscription<Order> | Subscription<Shipment> {
    return (this.query.value.tab === "orders" ? this.orderSub : null) ?? this.shipmentSub;
  }

  /** The open shipments that carry lines of an order. */
  shipmentsOf(order: string): Shipment[] {
    return [...this.shipments.visible.values()].filter((s) => s.orders.includes(order));
  }

  /** What could be looked up by its id, open or not: a search for one thing that no open row is called; else "". */
  get lookup(): string {
    const id = sought(this.query.value.search);
    const { ids, facet, table } = this.view;
    if (!idPattern.test(id) || table.visible.has(id) || ids.length > few) return "";
    const rows = ids.map((i) => table.visible.get(i));
    return rows.some((row) => row && isCalled(row, id, facet)) ? "" : id;
  }

  /** Enter in the search: the row that it names or the only one it leaves, else what can be looked up. */
  seek(): void {
    const named = sought(this.query.peek().search);
    const { ids } = this.view;
    if (named === "") return;
    if (this.view.table.visible.has(named)) this.change({ selected: named });
    else if (ids.length === 1) this.change({ selected: ids[0] ?? "" });
    else if (ids.length === 0 && this.lookup !== "") this.change({ selected: this.lookup });
  }

  /** Changes the query. A step that Back should undo is pushed; typing and sorting replace. */
  change(part: Partial<Query>, history: "push" | "replace" = "push"): void {
    const query = { ...this.query.peek(), ...part };
    const url = location.pathname + formatQuery(query);
    if (history === "push" && url !== location.pathname + location.search) window.history.pushState(null, "", url);
    else window.history.replaceState(null, "", url);
    this.#open(query);
  }

  go(tab: Tab, part: Partial<Query> = {}): void {
    this.change({ ...defaultQuery(tab), ...part });
  }

  /** A click on a tile: what is behind it, or, if that is shown already, all. With `add`, statuses add up. */
  press(tile: Tile, add: boolean): void {
    const query = this.query.peek();
    if (tile.kind === "mark") {
      this.change(query.mark === tile.value ? { mark: "" } : behind(query, tile));
    } else if (tile.kind === "status" && add) {
      const rest = query.status.filter((s) => s !== tile.value);
      const next = rest.length < query.status.length ? rest : [...rest, tile.value];
      this.change({ status: this.view.facet.statuses.filter((s) => next.includes(s)) });
    } else if (tile.kind === "status" && query.status.length === 1 && query.status[0] === tile.value) {
      this.change({ status: [] });
    } else {
      this.change(behind(query, tile));
    }
  }

  /** A click on a heading: by this column, or the other way round. */
  sort(key: string): void {
    const query = this.query.peek();
    const facet = this.view.facet;
    const desc = query.sort === key ? !query.desc : key === facet.sort && facet.desc;
    this.sortBy(desc ? `-${key}` : key);
  }

  /** Sorts by a key, downwards when it begins with "-". */
  sortBy(key: string): void {
    this.change({ sort: key.replace(/^-/, ""), desc: key.startsWith("-") }, "replace");
  }

  togglePause(): void {
    this.paused.value = !this.paused.value;
    for (const table of [this.shipments, this.orders]) {
      if (this.paused.value) table.pause();
      else table.resume();
    }
    this.#show();
  }

  /** Lets waiting rows in now. */
  letIn(): void {
    this.view.settleNow(this.now.peek());
    this.#show();
  }

  hold(reason: "pointer" | "focus", on: boolean): void {
    this.view.hold(reason, on);
  }

  paste(token: string): void {
    this.tokens.paste(token);
    if (this.client.link === "open") void this.client.renew();
    else this.client.retryNow();
  }

  #open(query: Query): void {
    const tab = this.query.peek().tab;
    if (query.tab === "orders") this.#askOrders();
    this.query.value = query;
    if (query.tab !== tab) this.active.value = "";
    if (query.selected) this.active.value = query.selected;
    this.view.ask(query, this.now.peek());
    this.panel.show(query.tab, query.selected);
    this.#panelRows = this.#rowsOfPanel();
    this.#show();
  }

  #askOrders(): void {
    if (this.orderSub) return;
    this.orderSub = this.client.subscribe("orders", { filter: { f: "status", op: "in", v: openOrders }, table: this.orders });
    this.#follow(this.orderSub);
  }

  #follow(sub: Subscription<Order> | Subscription<Shipment>): void {
    sub.table.listen(() => this.#dirty());
  }

  #tick(): void {
    this.now.value = this.client.clock.now();
    this.pulse.value++;
    if (this.view.settle(this.now.peek())) this.frame.value++;
  }

  #linkChanged(): void {
    const before = this.link.peek();
    this.pulse.value++;
    if (this.link.peek() === "live" && before !== "live" && this.panel.state.peek().error) this.panel.refresh();
  }

  // Data may change many times between two frames of the screen; it is drawn once.
  #dirty(): void {
    if (this.#raf === 0) this.#raf = requestAnimationFrame(() => this.#show());
  }

  #show(): void {
    cancelAnimationFrame(this.#raf);
    this.#raf = 0;
    this.view.settle(this.client.clock.now());
    this.#followPanel();
    this.frame.value++;
  }

  // An order's timeline has the scans of its shipments too.
  #rowsOfPanel(): readonly (Row | undefined)[] {
    const { tab, selected } = this.query.peek();
    if (selected === "") return [];
    if (tab === "shipments") return [this.shipments.visible.get(selected)];
    return [this.orders.visible.get(selected), ...this.shipmentsOf(selected)];
  }

  #followPanel(): void {
    const rows = this.#rowsOfPanel();
    const same = rows.length === this.#panelRows.length && rows.every((row, i) => row === this.#panelRows[i]);
    if (same) return;
    this.#panelRows = rows;
    this.panel.refresh();
  }
}
