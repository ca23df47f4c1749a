// Many clients that lose one server at the same moment.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Rig } from "./harness.ts";
import { seeded } from "./seeded.ts";

const many = 100;
const spanMs = 50_000;
let rigs: Rig[];

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
});

afterEach(() => {
  for (const rig of rigs) rig.client.stop();
  vi.useRealTimers();
});

/** Cuts all clients at once and refuses them for a while; when each of them tried. */
async function storm(frame?: (i: number) => object): Promise<number[]> {
  const random = seeded(7);
  const dials: number[] = [];
  rigs = Array.from({ length: many }, () => new Rig({ random }));
  await Promise.all(rigs.map((rig) => rig.live(100)));
  await vi.advanceTimersByTimeAsync(6_000);
  const start = Date.now();
  rigs.forEach((rig, i) => {
    if (frame) rig.socket.say(frame(i));
    rig.client.listen((event) => {
      if (event.type !== "link" || event.link !== "connecting") return;
      dials.push(Date.now() - start);
      queueMicrotask(() => queueMicrotask(() => rig.socket.end(1006)));
    });
    rig.socket.end(frame ? 4001 : 1006);
  });
  await vi.advanceTimersByTimeAsync(spanMs);
  return dials;
}

function between(dials: readonly number[], fromMs: number, toMs: number): number {
  return dials.filter((at) => at >= fromMs && at < toMs).length;
}

test("come back spread over the base, and ever more thinly while it is gone", { timeout: 60_000 }, async () => {
  const dials = await storm();
  const firsts = [0, 100, 200, 300, 400].map((from) => between(dials, from, from + 100));
  expect(Math.max(...firsts), `${firsts}`).toBeLessThan(many / 2);
  expect(Math.min(...firsts), `${firsts}`).toBeGreaterThan(many / 10);
  const seconds = Array.from({ length: 15 }, (_, i) => between(dials, 35_000 + i * 1000, 36_000 + i * 1000));
  expect(Math.max(...seconds), `${seconds}`).toBeLessThan(many / 5); // each waits ten seconds on average, by then
  expect(dials.length / many).toBeLessThan(14);
  expect(dials.length / many).toBeGreaterThan(6);
});

test("come back when the server told each of them to", { timeout: 60_000 }, async () => {
  const dials = await storm((i) => ({ t: "goaway", code: "deploy", reconnect_in_ms: 1000 + i * 40 }));
  const first = between(dials, 0, 1000);
  expect(first).toBe(0);
  const firsts = [1, 2, 3, 4].map((s) => between(dials, s * 1000, s * 1000 + 500));
  for (const count of firsts) expect(count, `${firsts}`).toBeGreaterThanOrEqual(12);
});
