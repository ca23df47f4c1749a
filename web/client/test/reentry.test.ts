// Callbacks that start, stop, retry and close, in the middle of what they are told.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ClientEvent } from "@waybill-io/client";
import { Rig, row, settle, welcome } from "./harness.ts";

let rig: Rig;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  rig = new Rig();
});

afterEach(() => {
  rig.client.stop();
  vi.useRealTimers();
});

const links = () => rig.heard.flatMap((event) => (event.type === "link" ? [event.link] : []));
const told = () => rig.said.map((event) => event.type);

/** Lets what must not happen any more have the time to happen. */
async function later(): Promise<void> {
  await settle();
  await vi.advanceTimersByTimeAsync(120_000);
}

async function expectStopped(): Promise<void> {
  const sockets = rig.sockets.length;
  expect([rig.client.link, vi.getTimerCount()]).toEqual(["stopped", 0]);
  await later();
  expect([rig.client.link, rig.sockets.length, links().filter((link) => link === "stopped")]).toEqual(["stopped", sockets, ["stopped"]]);
}

describe("a client that is stopped by a callback", () => {
  test("which does so whenever it hears that nothing more comes", async () => {
    rig.client.listen(() => { if (rig.client.link === "stopped") rig.client.stop(); });
    await rig.live(100);
    rig.socket.end(4501, "no");
    expect([rig.client.error?.code, rig.client.why]).toEqual([4501, "the token was not accepted"]);
    await expectStopped();
  });

  test.each<[string, (event: ClientEvent) => boolean, (() => void) | undefined]>([
    ["connects", (event) => event.type === "link" && event.link === "connecting", undefined],
    ["is welcomed", (event) => event.type === "link" && event.link === "open", undefined],
    ["lost its connection", (event) => event.type === "closed", () => rig.socket.end(1006)],
    ["was refused", (event) => event.type === "closed", () => rig.socket.end(4505)],
    ["waits", (event) => event.type === "link" && event.link === "waiting", () => rig.socket.end(1006)],
    ["could not read what came", (event) => event.type === "protocol", () => rig.socket.text("{")],
    ["hears of an error", (event) => event.type === "error", () => rig.socket.say({ t: "err", code: "internal", msg: "", retry_ms: 0 })],
  ])("as it %s stays stopped", async (_, when, then) => {
    rig.client.listen((event) => { if (when(event)) rig.client.stop(); });
    await rig.start();
    if (rig.sockets.length > 0) rig.welcome();
    then?.();
    await expectStopped();
  });

  test("leaves the rest of the message alone", async () => {
    rig.client.listen((event) => { if (event.type === "link" && event.link === "open") rig.client.stop(); });
    await rig.start();
    rig.socket.open();
    rig.socket.say(welcome(), { t: "goaway", code: "age", reconnect_in_ms: 500 }, { t: "err", code: "token_expired", msg: "", retry_ms: 0 });
    await expectStopped();
    expect(rig.tokens.issued).toBe(1);
  });

  test.each([
    ["a change", () => rig.socket.say(rig.delta(100, 101, [row("b")]))],
    ["a lost connection", () => rig.socket.end(1006)],
    ["a gap", () => rig.socket.say(rig.delta(105, 106, [row("b")]))],
    ["a reset", () => rig.socket.say({ t: "reset", sid: rig.sid, code: "slow", retry_ms: 100 })],
    ["a refusal", () => rig.socket.say({ t: "err", sid: rig.sid, code: "forbidden", msg: "", retry_ms: 0 })],
  ])("of a subscription at %s stays stopped", async (_, happens) => {
    await rig.live(100, row("a"));
    rig.sub.listen(() => rig.client.stop());
    happens();
    await expectStopped();
  });

  test("at a snapshot has nothing that is live", async () => {
    rig.sub.listen((event) => { if (event.type === "snapshot") rig.client.stop(); });
    await rig.live(100, row("a"));
    expect([rig.rows, rig.sub.phase, told()]).toEqual([["a in_transit"], "waiting", ["snapshot"]]);
    await expectStopped();
  });

  test("goes on from there when it is started", async () => {
    rig.sub.listen((event) => { if (event.type === "change") rig.client.stop(); });
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(100, 101, [row("b")]));
    await rig.start();
    expect(rig.welcome().subs[0]?.since).toEqual({ epoch: "e1", seq: 101, shape: "s1" });
  });
});

describe("a client that is told to go on by a callback", () => {
  test.each([
    ["started", () => rig.client.start()],
    ["told to retry", () => rig.client.retryNow()],
    ["woken", () => rig.client.wake()],
  ])("at each event, when it is %s, has one connection", async (_, go) => {
    rig.client.listen(() => { if (rig.client.link !== "stopped") go(); });
    await rig.live(100, row("a"));
    expect([rig.client.state(rig.sub), rig.sockets.length]).toEqual(["live", 1]);
    rig.socket.end(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect([rig.client.link, rig.sockets.length]).toEqual(["connecting", 2]);
  });

  test("after the server ended it watches over the new connection", async () => {
    await rig.live(100, row("a"));
    const once = rig.client.listen((event) => {
      if (event.type !== "link" || event.link !== "stopped") return;
      once();
      rig.client.retryNow();
    });
    rig.socket.end(4505);
    await settle();
    rig.welcome();
    expect(rig.client.link).toBe("open");
    await vi.advanceTimersByTimeAsync(45_000);
    expect(rig.client.frozen).toBe(true);
  });

  test("tells everybody the same, in the same order", async () => {
    const first: string[] = [];
    rig.client.listen((event) => { if (event.type === "link" && event.link === "stopped") rig.client.start(); });
    rig.client.listen((event) => { if (event.type === "link") first.push(event.link); });
    await rig.live(100);
    rig.socket.end(4505);
    await settle();
    expect(first).toEqual(["connecting", "open", "stopped", "connecting"]);
    expect(links()).toEqual(first);
  });
});

describe("a subscription that is closed by a callback", () => {
  const refusal = () => rig.socket.say({ t: "err", sid: rig.sid, code: "forbidden", msg: "", retry_ms: 0 });

  test.each([
    ["snapshot", 1, undefined],
    ["live", 1, undefined],
    ["change", 1, () => rig.socket.say(rig.delta(100, 101, [row("b")]))],
    ["stale", 1, () => rig.socket.say(rig.delta(105, 106, [row("b")]))],
    ["refused", 0, refusal],
    ["stale", 0, refusal],
    ["stale", 1, () => rig.socket.say({ t: "reset", sid: rig.sid, code: "slow", retry_ms: 100 })],
  ] as const)("at its %s stays closed, and nothing more is heard of it", async (at, unsubs, then) => {
    rig.sub.listen((event) => { if (event.type === at) rig.sub.close(); });
    await rig.live(100, row("a"));
    then?.();
    expect([rig.sub.phase, told().at(-1)]).toEqual(["closed", at]);
    await vi.advanceTimersByTimeAsync(19_000);
    expect([rig.client.link, rig.socket.count("sub"), rig.socket.count("unsub")]).toEqual(["open", 0, unsubs]);
  });

  test("by one who looks at the table is not live", async () => {
    rig.sub.table.listen(() => rig.sub.close());
    await rig.live(100, row("a"));
    expect([rig.sub.phase, told()]).toEqual(["closed", []]);
  });

  test("does not call back whom another callback has just removed", async () => {
    let called = 0;
    rig.client.listen(() => remove());
    const remove = rig.client.listen(() => called++);
    await rig.live(100);
    expect(called).toBe(0);
  });
});

describe("a client that came to its end leaves no timer", () => {
  test.each([4500, 4501, 4502, 4505, 4506, 1002])("after %i", async (code) => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "goaway", code: "age", reconnect_in_ms: 60_000 });
    rig.socket.end(code);
    await expectStopped();
  });

  test("when a person must sign in", async () => {
    rig.tokens.manual = true;
    await rig.live(100);
    rig.socket.end(4501);
    expect([rig.client.link, vi.getTimerCount()]).toEqual(["signin", 0]);
  });

  test("nor the socket that only tried the way", async () => {
    const fetch = () => Promise.resolve(new Response(new ReadableStream({
      start: (stream) => stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(welcome())}\n\n`)),
    }), { headers: { "content-type": "text/event-stream" } }));
    rig = new Rig({ transports: ["websocket", "sse"], fetch });
    await rig.start();
    for (let i = 0; i < 3; i++) {
      rig.socket.end(1006);
      await rig.comeBack();
    }
    expect(rig.client.transport).toBe("sse");
    await vi.advanceTimersByTimeAsync(30_000);
    expect([rig.sockets.length, rig.socket.closed]).toEqual([4, false]);
    rig.client.stop();
    expect(rig.socket.closed).toBe(true);
    await expectStopped();
  });
});
