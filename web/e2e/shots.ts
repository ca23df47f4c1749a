// Pictures of the page in every state, to be looked at: SHOTS=folder npm run shots

import { test } from "vitest";
import { FakeServer } from "./server.ts";
import { fill } from "./data.ts";
import { story, tellStory } from "./story.ts";
import { launch } from "./browser.ts";

const sizes = [["wide", 1440, 900], ["narrow", 390, 844]] as const;

test("shots of an order and a shipment that are over, looked up by their ids", async () => {
  const server = new FakeServer();
  fill(server, 900);
  tellStory(server);
  const url = await server.listen();
  const browser = await launch();
  const out = process.env["SHOTS"] ?? "shots";
  for (const scheme of ["light", "dark"] as const) {
    for (const [name, width, height] of sizes) {
      const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
      page.on("console", (m) => console.log(scheme, m.type(), m.text()));
      const shot = (what: string) => page.screenshot({ path: `${out}/${scheme}-${name}-${what}.png` });
      await page.goto(`${url}/?tab=orders&q=${story.order}`);
      await page.waitForSelector("[data-testid=lookup]");
      await shot("lookup");
      await page.focus("#search");
      await page.keyboard.press("Enter");
      await page.waitForSelector("[data-testid=timeline]");
      await shot("order");
      for (let i = 1; i <= 3; i++) {
        await page.locator(".panelbody").evaluate((el) => { el.scrollTop += el.clientHeight - 60; });
        await shot(`order-${i}`);
      }
      await page.goto(`${url}/?sel=${story.calgary}`);
      await page.waitForSelector("[data-testid=timeline]");
      await shot("shipment");
      await page.goto(`${url}/?sel=${story.number}`);
      await page.waitForSelector("[data-testid=trouble]");
      await shot("missing");
      await page.close();
    }
  }
  await browser.close();
  await server.close();
});

test("shots", async () => {
  const server = new FakeServer();
  const ids = fill(server, 900);
  const url = await server.listen();
  const browser = await launch();
  const out = process.env["SHOTS"] ?? "shots";
  for (const scheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ viewport: { width: 1560, height: 900 }, colorScheme: scheme });
    page.on("console", (m) => console.log(scheme, m.type(), m.text()));
    page.on("pageerror", (e) => console.log(scheme, "ERROR", e.message, e.stack));
    await page.goto(url);
    await page.waitForSelector("[data-row-id]");
    await page.screenshot({ path: `${out}/${scheme}-wide.png` });
    const row = page.locator("[data-row-id]").nth(4);
    await row.click();
    await page.waitForSelector("[data-testid=timeline]");
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${out}/${scheme}-timeline.png` });
    await page.keyboard.press("Escape");
    await page.goto(`${url}/?tab=orders`);
    await page.waitForSelector("[data-row-id]");
    await page.screenshot({ path: `${out}/${scheme}-orders.png` });
    await page.keyboard.press("?");
    await page.waitForTimeout(200);
    await page.screenshot({ path: `${out}/${scheme}-help.png` });
    await page.goto(url);
    await page.waitForSelector("[data-row-id]");
    server.down = true;
    server.cut();
    await page.waitForTimeout(900);
    await page.screenshot({ path: `${out}/${scheme}-reconnecting.png` });
    server.down = false;
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto(url);
    await page.waitForSelector("[data-row-id]");
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${out}/${scheme}-narrow.png` });
    await page.goto(`${url}/?sel=${ids[3]}`);
    await page.waitForSelector("[data-testid=timeline]");
    await page.screenshot({ path: `${out}/${scheme}-narrow-timeline.png` });
    await page.setViewportSize({ width: 1100, height: 760 });
    await page.goto(url);
    await page.waitForSelector("[data-row-id]");
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${out}/${scheme}-mid.png` });
    await page.close();
  }
  await browser.close();
  await server.close();
});
