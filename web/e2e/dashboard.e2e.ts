// The built page in a real browser, under the real policy, against a stand-in
// for the gateway.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { executable, launch } from "./browser.ts";
import { fill } from "./data.ts";
import { FakeServer, type WireRow } from "./server.ts";
import { story, tellStory } from "./story.ts";

const missing = executable === "";
if (missing) {
  const say = "No Chromium was found, so the dashboard was not tried in a browser: install one or set CHROMIUM to its path.";
  if (process.env["CI"] === "true") throw new Error(say);
  console.warn(say);
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
let server: FakeServer;
let url: string;
let page: Page;
let faults: string[];
let ids: string[];

async function open(path = "/", options: BrowserContextOptions = {}): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 800 }, ...options });
  page = await context.newPage();
  page.on("pageerror", (err) => faults.push(`error: ${err.message}`));
  page.on("console", (m) => {
    if (/content security policy|trusted ?types/i.test(m.text())) faults.push(`policy: ${m.text()}`);
  });
  page.on("request", (r) => {
    if (new URL(r.url()).host !== new URL(url).host) faults.push(`request off the host: ${r.url()}`);
  });
  page.on("websocket", (ws) => {
    if (new URL(ws.url()).host !== new URL(url).host) faults.push(`socket off the host: ${ws.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`Content Security Policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  await page.goto(url + path);
}

async function openLive(path = "/", options: BrowserContextOptions = {}): Promise<void> {
  await open(path, options);
  await reach("live");
}

async function reach(state: string): Promise<void> {
  await page.waitForSelector(`main[data-state="${state}"]`);
}

function shipment(id: string): WireRow {
  const row = server.tables["shipments"]?.get(id);
  if (!row) throw new Error(`no shipment ${id}`);
  return row;
}

/** A scan just now, which makes the shipment the first of the list. */
function scan(id: string, more: object = {}): void {
  const row = shipment(id);
  server.change("shipments", id, { ...row, v: row.v + 1, last_scan_at: new Date(Date.now() + 60_000).toISOString(), ...more });
}

function row(id: string) {
  return page.locator(`[data-row-id="${id}"]`);
}

async function listed(): Promise<string[]> {
  return page.locator("[data-row-id]").evaluateAll((rows) =>
    rows.sort((a, b) => Number(a.getAttribute("aria-rowindex")) - Number(b.getAttribute("aria-rowindex"))).map((r) => r.getAttribute("data-row-id") ?? ""));
}

async function count(selector: string): Promise<number> {
  return Number(await page.locator(selector).getAttribute("data-count"));
}

async function first(): Promise<string> {
  return (await listed())[0] ?? "";
}

describe.skipIf(missing)("the dashboard", () => {
  beforeAll(async () => { browser = await launch(); });
  afterAll(async () => { await browser.close(); });

  beforeEach(async () => {
    faults = [];
    server = new FakeServer();
    ids = fill(server, 300);
    url = await server.listen();
  });

  afterEach(async () => {
    await page.context().close();
    await server.close();
    expect(faults).toEqual([]);
  });

  test("shows every open shipment, counted by status", async () => {
    await openLive();
    const rows = [...(server.tables["shipments"]?.values() ?? [])];
    expect(await count('[data-tile="all"]')).toBe(300);
    expect(await count('[data-testid="total"]')).toBe(300);
    for (const status of ["in_transit", "out_for_delivery", "returning"]) {
      expect(await count(`[data-tile="${status}"]`)).toBe(rows.filter((r) => r.status === status).length);
    }
  });

  test("changes a row without a reload", async () => {
    await openLive();
    await page.evaluate(() => { document.title = "same document"; });
    const id = await first();
    await page.waitForSelector(`[data-row-id="${id}"]`);
    scan(id, { status: "delivery_attempted", last_location: "Timbuktu" });
    await page.waitForSelector(`[data-row-id="${id}"][data-status="delivery_attempted"]`);
    expect(await row(id).textContent()).toContain("Timbuktu");
    expect(await page.title()).toBe("same document");
  });

  test("takes a delivered shipment out and corrects the counts", async () => {
    await openLive();
    const id = await first();
    server.change("shipments", id, { ...shipment(id), status: "delivered" });
    await page.waitForSelector(`[data-row-id="${id}"]`, { state: "detached" });
    expect(await count('[data-tile="all"]')).toBe(299);
  });

  test("lists behind a tile as many rows as the tile counts, and says so in the address", async () => {
    await openLive();
    const expected = await count('[data-tile="returning"]');
    await page.click('[data-tile="returning"]');
    expect(await count('[data-testid="total"]')).toBe(expected);
    expect(await page.locator("[data-row-id]").count()).toBe(expected);
    expect(new URL(page.url()).search).toBe("?status=returning");
    await page.goBack();
    expect(await count('[data-testid="total"]')).toBe(300);
    await page.goForward();
    await page.reload();
    await reach("live");
    expect(await count('[data-testid="total"]')).toBe(expected);
  });

  test("finds a shipment by its number and several by a pasted list", async () => {
    await openLive();
    await page.fill("#search", ids[5] ?? "");
    expect(await listed()).toEqual([ids[5]]);
    await page.fill("#search", "");
    await page.evaluate((text) => {
      const data = new DataTransfer();
      data.setData("text", text);
      document.getElementById("search")?.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, `${ids[5]}\n${ids[9]}\n`);
    await expect.poll(async () => (await listed()).sort()).toEqual([ids[5], ids[9]].sort());
  });

  test("lets ages tick without any frame", async () => {
    await openLive();
    const id = await first();
    server.change("shipments", id, { ...shipment(id), last_scan_at: new Date(Date.now() - 10_000).toISOString() });
    const age = row(id).locator('[data-col="age"]');
    await expect.poll(() => age.textContent()).toMatch(/^1\d s$/);
    const before = await age.textContent();
    await expect.poll(() => age.textContent()).not.toBe(before);
  });

  test("keeps rows in place under the pointer, says how many wait, and lets them in on leaving", async () => {
    await openLive();
    const before = await listed();
    await row(before[2] ?? "").hover();
    const late = ids.find((id) => !before.slice(0, 30).includes(id)) ?? "";
    scan(late);
    await page.waitForSelector('[data-testid="waiting"][data-count="1"]');
    expect((await listed()).slice(0, 10)).toEqual(before.slice(0, 10));
    await page.mouse.move(5, 5);
    await page.waitForSelector('[data-testid="waiting"]', { state: "detached" });
    expect(await first()).toBe(late);
  });

  test("opens the row that was under the pointer when the button went down", async () => {
    await openLive();
    const id = (await listed())[3] ?? "";
    await row(id).hover();
    await page.mouse.down();
    for (const other of ids.slice(100, 110)) scan(other);
    await page.waitForSelector('[data-testid="waiting"]');
    await page.mouse.up();
    expect(await page.getAttribute('[data-testid="panel"]', "data-panel-id")).toBe(id);
  });

  test("keeps its rows, dimmed, while the server is gone, and resumes where it was", async () => {
    await openLive();
    const before = await listed();
    const opacity = () => row(before[0] ?? "").evaluate((el) => Number(getComputedStyle(el).opacity));
    expect(await opacity()).toBe(1);
    server.down = true;
    server.cut();
    await reach("reconnecting");
    expect(await listed()).toEqual(before);
    await expect.poll(opacity).toBeLessThan(0.9);
    expect(await page.textContent('[data-testid="notice"]')).toContain("Rows are as of");
    scan(ids[200] ?? "");
    server.received.length = 0;
    server.down = false;
    await reach("live");
    await expect.poll(first).toBe(ids[200]);
    await expect.poll(opacity).toBe(1);
    const hello = server.received.find((m) => m["t"] === "hello") as { subs: { since?: object }[] };
    expect(hello.subs[0]?.since).toEqual({ epoch: "e1", seq: 1000, shape: "shape-shipments" });
  });

  test("goes on after a restart of the server, with no reload and no snapshot", async () => {
    await openLive();
    await page.evaluate(() => { document.title = "same document"; });
    const before = await listed();
    await server.close();
    await reach("reconnecting");
    expect(await page.textContent('[data-testid="freshness"]')).toContain("rows as of");
    expect(await listed()).toEqual(before);
    scan(ids[200] ?? "");
    server.snapshots = 0;
    await server.listen(Number(new URL(url).port));
    await reach("live");
    await expect.poll(first).toBe(ids[200]);
    expect([server.snapshots, await page.title()]).toEqual([0, "same document"]);
  });

  test("reads an event stream where no socket gets through, with the same rows", async () => {
    server.proxied = true;
    await openLive();
    expect(await count('[data-tile="all"]')).toBe(300);
    expect(server.received.find((m) => m["t"] === "stream")?.["authorization"]).toMatch(/^Bearer dev-/);
    const id = await first();
    scan(id, { status: "delivery_attempted" });
    await page.waitForSelector(`[data-row-id="${id}"][data-status="delivery_attempted"]`);
    server.snapshots = 0;
    server.cut();
    await reach("reconnecting");
    scan(ids[200] ?? "");
    await reach("live");
    await expect.poll(first).toBe(ids[200]);
    expect(server.snapshots).toBe(0);
  });

  test("says that it is frozen when an open socket falls silent", async () => {
    server.hbMs = 1000;
    await openLive();
    server.silent = true;
    await reach("frozen");
    expect(await page.locator("[data-row-id]").count()).toBeGreaterThan(10);
    server.silent = false;
    server.cut();
    await reach("live");
  });

  test("says that it lags", async () => {
    await openLive();
    server.say({ t: "hb", now: Date.now(), lag_ms: 12_000, q: {} });
    await reach("lagging");
    expect(await page.textContent('[data-testid="freshness"]')).toContain("12 s behind");
  });

  test("shows why the server ended it, and does not try again", async () => {
    await openLive();
    server.cut(4505);
    await reach("stopped");
    expect(await page.textContent('[data-testid="notice"]')).toContain("revoked");
    server.received.length = 0;
    await page.click("text=Try now");
    await reach("live");
    expect(server.received.filter((m) => m["t"] === "hello")).toHaveLength(1);
  });

  test("pauses: the screen stands still, changes are counted, then they come in", async () => {
    await openLive();
    const before = await listed();
    await page.keyboard.press("p");
    await reach("paused");
    scan(ids[250] ?? "");
    scan(ids[251] ?? "");
    await expect.poll(() => page.textContent('[data-testid="freshness"]')).toContain("2 changed");
    expect(await listed()).toEqual(before);
    await page.click('[data-testid="pause"]');
    await reach("live");
    await expect.poll(async () => (await listed()).slice(0, 2).sort()).toEqual([ids[250], ids[251]].sort());
  });

  test("is used by keyboard alone", async () => {
    await openLive();
    const rows = await listed();
    const active = () => page.getAttribute("#grid", "aria-activedescendant");
    await page.keyboard.press("j");
    expect(await active()).toBe(`row-${rows[0]}`);
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("k");
    expect(await active()).toBe(`row-${rows[1]}`);
    await page.keyboard.press("Enter");
    await page.waitForSelector('[data-testid="timeline"]');
    expect(await page.getAttribute('[data-testid="panel"]', "data-panel-id")).toBe(rows[1]);
    await page.keyboard.press("ArrowDown");
    await page.waitForSelector(`[data-panel-id="${rows[2]}"]`);
    await page.keyboard.press("Escape");
    await page.waitForSelector('[data-testid="panel"]', { state: "detached" });
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("grid");
    await page.keyboard.press("End");
    await expect.poll(active).not.toBeNull();
    const last = await active();
    expect(await page.locator(`[id="${last}"]`).getAttribute("aria-rowindex")).toBe("301");
    expect(await page.locator(`[id="${last}"]`).isVisible()).toBe(true);
    await page.keyboard.press("/");
    await page.keyboard.type("jp?");
    expect(await page.inputValue("#search")).toBe("jp?");
    await page.fill("#search", "");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog[open]", { state: "detached" });
  });

  test("shows a timeline with its marks, each scan on its own clock, and follows its row", async () => {
    await openLive();
    const id = await first();
    await row(id).click();
    await page.waitForSelector('[data-testid="timeline"]');
    const text = (n: number) => page.locator(`[data-event-id="evt-${n}"]`).textContent();
    expect(await text(4)).toMatch(/04:12\+01:00.*late/);
    expect(await text(5)).toContain("duplicate");
    expect(await text(6)).toContain("estimate");
    expect(await text(7)).toMatch(/09:15−05:00.*retracted/);
    expect(await text(10)).toContain("UTC assumed");
    expect(await text(12)).toContain("X12-214 AP/AG · 0405");
    expect(await text(13)).toMatch(/zone unknown.*regression/);
    server.timelines.get(id)?.push({ ...(server.timelines.get(id)?.[1] as object), id: "evt-99", type: "shipment.delivered.v1", occurred_at: "2026-03-04T10:00:00Z" });
    scan(id);
    await page.waitForSelector('[data-event-id="evt-99"]');
  });

  test("opens what an address names, and says when there is no such shipment", async () => {
    await openLive("/?sel=shp_none");
    await page.waitForSelector("text=No such shipment.");
    await page.click("text=Look for an order of this id");
    await page.waitForSelector("text=No such order.");
    expect(new URL(page.url()).search).toBe("?tab=orders&q=shp_none&sel=shp_none");
  });

  test("shows open orders, and from one of them its shipments", async () => {
    await openLive();
    await page.click('[data-tab-button="orders"]');
    await page.waitForSelector('[data-tile="all"][data-count="150"]');
    await page.fill("#search", "o-10000");
    await row("o-10000").click();
    await page.locator('[data-testid="panel"] .link').first().click();
    await page.waitForSelector('[data-testid="timeline"]');
    expect(new URL(page.url()).searchParams.get("sel")).toBe(ids[0]);
  });

  test("looks an order up that is not open any more, with Enter, and shows its timeline as of when it was read", async () => {
    tellStory(server);
    await openLive("/?tab=orders");
    await page.waitForSelector('[data-tile="all"][data-count="150"]');
    await page.fill("#search", story.order);
    expect(await listed()).toEqual([]);
    expect(await page.textContent('[data-testid="lookup"]')).toContain(`Look up order ${story.order}`);
    await page.keyboard.press("Enter");
    await page.waitForSelector('[data-testid="timeline"]');
    expect(new URL(page.url()).search).toBe(`?tab=orders&q=${story.order}&sel=${story.order}`);
    expect(await page.textContent('[data-testid="asof"]')).toMatch(/^Not open: as it was at \d\d:\d\d:\d\d\./);
    expect(await page.textContent('[data-testid="now"]')).toMatch(/Delivered.*hold: address check.*return requested.*cancelled after shipping/);
    expect(await page.getAttribute('[data-testid="now"] .badge[title*="RMA-7"]', "title")).toBe("Requested and not received yet: RMA-7");
    expect(await page.textContent('[data-testid="panel"]')).toContain("Units had been handed over when the cancellation came.");
    server.orderTimelines.get(story.order)?.pop();
    await page.click("text=Read again");
    await page.waitForSelector('[data-event-id="o5"]', { state: "detached" });
    await page.reload();
    await page.waitForSelector('[data-testid="asof"]');
  });

  test("shows in an order's timeline what was late, corrected, copied or without a zone, and of which parcel it is", async () => {
    tellStory(server);
    await openLive(`/?tab=orders&sel=${story.order}`);
    await page.waitForSelector('[data-testid="timeline"]');
    const entry = (id: string) => page.locator(`[data-event-id="${id}"]`);
    const text = async (id: string) => (await entry(id).innerText()).replace(/\s+/g, " ");
    expect(await text("t1")).toMatch(/^10:30 zone unknown Picked up X12-214 AF\/NS · 0100 ITEM ACCEPTED zone unknown Nobody stated a zone/);
    expect(await text("t2")).toMatch(/15:55 −08:00 Departed KAMLOOPS BC, CA X12-214 P1\/NS · 0155 late · 16 h after Newer facts were known/);
    expect(await text("t3")).toMatch(/23:50 −07:00 Arrived Calgary, AB, CA X12-214 X4\/NS · 0170 zone from the place Not stated by the carrier/);
    expect(await text("t4")).toMatch(/duplicate.*Moved nothing\. It says the same as t3 of urn:cpcc:edi/);
    expect(await text("t5")).toMatch(/08:05 −07:00 Delivered Laserlevel, AB, CA.*retracted Moved nothing\. It was taken back: it was wrong; instead there is “Delivery attempted”/);
    expect(await text("t6")).toMatch(/08:15 −07:00 Delivery attempted.*No access X12-214 AP\/AG · 0405 correction It comes in place of “Delivered” of Sun, 3 Nov 2019, 08:05/);
    expect(await text("t7")).toMatch(/Retraction It takes back “Delivered”/);
    expect(await text("s4")).toMatch(/^day only −05:00 Picked up/);
    expect(await text("s7")).toMatch(/19:30 UTC assumed Departed YYC regression UTC assumed Moved nothing\. It does not follow/);
    expect(await text("t6")).toMatch(new RegExp(`${story.calgary} parcel p1 urn:cpcc:edi by number CPCC ${story.number}`));
    expect(await text("o3")).toMatch(/^11:40 −07:00 Paid 99\.90 CAD urn:acme:shop/);
    const struck = (id: string) => entry(id).locator(".title").evaluate((el) => getComputedStyle(el).textDecorationLine);
    expect([await struck("t5"), await struck("t4"), await struck("t6")]).toEqual(["line-through", "none", "none"]);
    const days = await page.locator(".timeline .day").allInnerTexts();
    expect(days).toEqual(["Mon, 4 Nov 2019", "Sun, 3 Nov 2019", "Sat, 2 Nov 2019", "Fri, 1 Nov 2019", "Wed, 30 Oct 2019"]);
    await entry("t6").locator("text=Show").click();
    expect(await page.evaluate(() => document.activeElement?.getAttribute("data-event-id"))).toBe("t5");
    await entry("t6").locator(`text=${story.calgary}`).click();
    await page.waitForSelector(`[data-panel-id="${story.calgary}"] [data-event-id="t6"]`);
    expect(await page.textContent('[data-testid="now"]')).toMatch(/Delivered.*disputed/);
    expect(await page.locator('[data-event-id="o1"]').count()).toBe(0);
  });

  test("keeps an open order's timeline at what its shipments do", async () => {
    tellStory(server);
    server.change("orders", story.order, { ...(server.tables["orders"]?.get(story.order) as WireRow), status: "shipped" });
    server.change("shipments", story.laval, { ...shipment(story.laval), status: "in_transit" });
    await openLive(`/?tab=orders&sel=${story.order}`);
    await page.waitForSelector('[data-event-id="o5"]');
    await page.locator('[data-testid="panel"] .plain .status').waitFor();
    expect(await page.locator('[data-testid="asof"]').count()).toBe(0);
    await expect.poll(() => Date.now() - server.askedAt).toBeGreaterThan(1500); // nothing is left to be asked again
    server.orderTimelines.get(story.order)?.push({ ...(server.orderTimelines.get(story.order)?.at(-1) as object), id: "o9" });
    scan(story.laval);
    await page.waitForSelector('[data-event-id="o9"]');
  });

  test("offers to look up what is not open, says plainly when there is none, and opens what is", async () => {
    await openLive();
    const id = ids[5] ?? "";
    const number = String((shipment(id)["numbers"] as string[])[0] ?? "");
    await page.fill("#search", number || id);
    expect(await page.locator('[data-testid="lookup"]').count()).toBe(0);
    await page.keyboard.press("Enter");
    await page.waitForSelector(`[data-panel-id="${id}"] [data-testid="timeline"]`);
    await page.keyboard.press("Escape");
    await page.fill("#search", "4343 6383 1602 6577");
    expect(await page.textContent('[data-testid="lookup"]')).toContain("4343638316026577");
    await page.focus("#search");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=No such shipment. A shipment is looked up by its id");
    await page.fill("#search", id.slice(0, -1));
    expect(await page.locator("[data-row-id]").count()).toBeGreaterThan(0);
    await page.click('[data-testid="lookup"]');
    await page.waitForSelector(`[data-panel-id="${id.slice(0, -1)}"] [data-testid="trouble"]`);
  });

  test("asks for a token where no server hands one out", async () => {
    server.dev = false;
    await open();
    await page.waitForSelector('[data-testid="signin"]');
    expect(await page.locator("[data-count]").count()).toBe(0); // a count that is not known is not 0
    await page.fill("#token", "pasted");
    await page.keyboard.press("Enter");
    await reach("live");
    expect(server.received.find((m) => m["t"] === "hello")?.["token"]).toBe("pasted");
    expect(page.url()).not.toContain("pasted");
    await page.reload();
    await reach("live");
  });

  test("keeps few rows in the document, however many there are", async () => {
    fill(server, 4000, 9);
    await openLive();
    expect(await count('[data-testid="total"]')).toBeGreaterThan(3000);
    expect(await page.locator("[data-row-id]").count()).toBeLessThan(60);
    await page.locator("#grid").evaluate((el) => { el.scrollTop = el.scrollHeight; });
    const total = await count('[data-testid="total"]');
    await page.waitForSelector(`[data-row-id][aria-rowindex="${total + 1}"]`);
    expect(await page.getAttribute("#grid", "aria-rowcount")).toBe(String(total + 1));
  });

  describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
    async function accessible(): Promise<void> {
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const run = (globalThis as unknown as { axe: { run: (o: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } }).axe;
        const { violations } = await run.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] } as object);
        return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html.slice(0, 160)} ${n.failureSummary}`).join(" | ")}`);
      });
      expect(found).toEqual([]);
    }

    test("has no accessibility fault on the board, with a timeline, with the help open", async () => {
      await openLive("/?status=in_transit", { colorScheme });
      await accessible();
      await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      await page.waitForSelector('[data-testid="timeline"]');
      await accessible();
      await page.keyboard.press("?");
      await page.waitForSelector("dialog[open]");
      await accessible();
    });

    test("has none in an order's timeline with every mark, nor where something is looked up", async () => {
      tellStory(server);
      await openLive(`/?tab=orders&q=${story.order}&sel=${story.order}`, { colorScheme });
      await page.waitForSelector('[data-testid="asof"]');
      await accessible();
      await page.setViewportSize({ width: 390, height: 844 });
      await page.locator('[data-event-id="t5"]').scrollIntoViewIfNeeded();
      await accessible();
      await page.goto(`${url}/?sel=shp_none`);
      await page.waitForSelector('[data-testid="trouble"]');
      await accessible();
    });

    test("has none among the orders, nor on a small screen", async () => {
      await openLive("/?tab=orders", { colorScheme });
      await page.waitForSelector("[data-row-id]");
      await accessible();
      await page.setViewportSize({ width: 390, height: 844 });
      await page.goto(`${url}/?sel=${ids[0]}`);
      await page.waitForSelector('[data-testid="timeline"]');
      await accessible();
    });

    test("has none while it reconnects: dimmed rows can still be read", async () => {
      await openLive("/", { colorScheme, reducedMotion: "reduce" });
      server.down = true;
      server.cut();
      await reach("reconnecting");
      await accessible();
    });
  });
});
