import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Rig, settle } from "./harness.ts";

let rig: Rig;
let page: EventTarget & { visibilityState: string };
let browser: EventTarget;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  browser = new EventTarget();
  vi.stubGlobal("document", page);
  vi.stubGlobal("addEventListener", browser.addEventListener.bind(browser));
  vi.stubGlobal("removeEventListener", browser.removeEventListener.bind(browser));
  rig = new Rig();
});

afterEach(() => {
  rig.client.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

async function sleep(): Promise<void> {
  await rig.live(100);
  vi.setSystemTime(Date.now() + 3_600_000);
}

test("a tab that comes to the front finds out at once that its connection is dead", async () => {
  await sleep();
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  expect(rig.client.frozen).toBe(false);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  expect([rig.client.frozen, rig.client.state(rig.sub)]).toEqual([true, "frozen"]);
});

test("a network that comes back ends the waiting", async () => {
  await rig.live(100);
  for (let i = 0; i < 6; i++) {
    rig.socket.end(1006);
    await rig.comeBack();
  }
  rig.socket.end(1006);
  const far = rig.client.retryAt;
  browser.dispatchEvent(new Event("online"));
  expect(rig.client.retryAt).toBeLessThan(far - 1_000);
});

test("a client that was stopped does not wake", async () => {
  await sleep();
  rig.client.stop();
  browser.dispatchEvent(new Event("online"));
  page.dispatchEvent(new Event("visibilitychange"));
  await settle();
  expect([rig.client.link, rig.sockets.length]).toEqual(["stopped", 1]);
});
