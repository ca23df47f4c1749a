import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ServerClock } from "../src/clock.ts";

const hour = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
});

afterEach(() => {
  vi.useRealTimers();
});

/** What the server's clock shows, an hour behind this machine's, some time after it was sent. */
const sent = (msAgo: number) => Date.now() - hour - msAgo;

test("the server's time comes from the frame that was fastest on its way", () => {
  const clock = new ServerClock();
  clock.welcome(sent(800));
  expect(clock.now()).toBe(sent(800));
  clock.heartbeat(sent(20), 0);
  expect(clock.now()).toBe(sent(20));
  clock.heartbeat(sent(900), 0);
  expect(clock.now()).toBe(sent(20));
});

test("a new connection sets it anew: this machine's clock may have been put right", () => {
  const clock = new ServerClock();
  clock.welcome(sent(0));
  vi.setSystemTime(Date.now() - hour);
  clock.welcome(Date.now());
  expect(clock.now()).toBe(Date.now());
});

test("the lag that a heartbeat tells of holds until there is other news, that of a delta for a moment", () => {
  const clock = new ServerClock();
  clock.welcome(Date.now());
  clock.heartbeat(Date.now(), 9_000);
  vi.advanceTimersByTime(60_000);
  expect(clock.lagMs(Date.now())).toBe(9_000);
  clock.delta(Date.now() - 4_000);
  expect(clock.lagMs(Date.now())).toBe(4_000);
  vi.advanceTimersByTime(6_000);
  expect(clock.lagMs(Date.now())).toBe(0);
  clock.heartbeat(Date.now(), 9_000);
  clock.forgetLag();
  expect(clock.lagMs(Date.now())).toBe(0);
});
