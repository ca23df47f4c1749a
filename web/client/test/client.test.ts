import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ConnectionClosed, openShipments, ProtocolError } from "@waybill-io/client";
import { Rig, row, settle } from "./harness.ts";

let rig: Rig;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  rig = new Rig();
});

afterEach(() => {
  rig.client.stop();
  vi.useRealTimers();
});

function state(): string {
  return rig.client.state(rig.sub);
}

const position = (seq: number) => ({ epoch: "e1", seq, shape: "s1" });

describe("the greeting", () => {
  test("carries the token in the first message and nothing in the address", async () => {
    await rig.start();
    rig.welcome();
    expect(rig.socket.url).toBe("ws://host/v1/live");
    expect(rig.socket.protocol).toBe("track.v1.json");
    expect(rig.socket.sent[0]).toEqual({
      t: "hello", v: 1, token: "token-1", client: "dash/test",
      subs: [{ sid: 1, topic: "shipments", filter: { f: "status", op: "in", v: [...openShipments] } }],
    });
  });

  test("is given up when no welcome comes, and tried again", async () => {
    await rig.start();
    rig.socket.open();
    await vi.advanceTimersByTimeAsync(11_000);
    expect(rig.sockets).toHaveLength(2);
    expect(rig.sockets[0]?.closed).toBe(true);
  });
});

describe("a lost connection", () => {
  test("leaves the rows, and the next greeting asks from the position", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(100, 102, [row("b")]));
    rig.socket.end(1006);
    expect(rig.rows).toEqual(["a in_transit", "b in_transit"]);
    expect(state()).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(500);
    const hello = rig.welcome();
    expect(hello.subs).toMatchObject([{ sid: 1, since: position(102) }]);
    rig.socket.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 102, resumed: true }, rig.delta(102, 110, [], ["a"]));
    expect(rig.rows).toEqual(["b in_transit"]);
    expect(state()).toBe("live");
  });

  test("is followed by a snapshot when the server cannot resume", async () => {
    await rig.live(100, row("a"));
    rig.socket.end(4001);
    await vi.advanceTimersByTimeAsync(500);
    rig.welcome();
    rig.socket.say({ t: "reset", sid: 1, code: "history", retry_ms: 0 });
    expect(rig.rows).toEqual(["a in_transit"]);
    rig.snapshot(300, row("z"));
    expect(rig.rows).toEqual(["z in_transit"]);
  });

  test("is waited out with full jitter between zero and the doubled base of the welcome", async () => {
    await rig.start();
    rig.welcome({ reconnect: { base_ms: 1000, max_ms: 5000 } });
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      rig.socket.end(1006);
      waits.push(rig.client.retryAt - Date.now());
      await rig.comeBack();
    }
    expect(waits).toEqual([999, 1999, 3999, 4999, 4999]);
    rig.random = 0;
    rig.socket.end(1006);
    expect(rig.client.retryAt).toBe(Date.now());
  });

  test("starts the waiting over after a connection that held", async () => {
    await rig.live();
    for (let i = 0; i < 4; i++) {
      rig.socket.end(1006);
      await rig.comeBack();
    }
    rig.welcome();
    await vi.advanceTimersByTimeAsync(6_000);
    rig.socket.end(1006);
    expect(rig.client.retryAt - Date.now()).toBe(499);
  });

  test("does not start the waiting over after one that broke at once", async () => {
    await rig.live();
    for (let i = 0; i < 3; i++) {
      rig.socket.end(4004);
      await rig.comeBack();
      rig.welcome();
    }
    rig.socket.end(4004);
    expect(rig.client.retryAt - Date.now()).toBe(3999);
  });

  test("is tried again at once when the network comes back", async () => {
    await rig.live();
    for (let i = 0; i < 6; i++) {
      rig.socket.end(1006);
      await rig.comeBack();
    }
    rig.socket.end(1006);
    expect(rig.client.retryAt - Date.now()).toBeGreaterThan(10_000);
    rig.client.wake();
    expect(rig.client.retryAt - Date.now()).toBeLessThan(500);
  });

  test("and a server that hands out no token are tried again", async () => {
    await rig.live(100, row("a"));
    rig.tokens.unreachable = true;
    rig.socket.end(1006);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(rig.sockets).toHaveLength(1);
    expect(state()).toBe("reconnecting");
    rig.tokens.unreachable = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(rig.sockets.length).toBeGreaterThan(1);
  });
});

describe("a server that says goodbye", () => {
  test("sets the time at which its clients come back", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "goaway", code: "deploy", reconnect_in_ms: 7400 });
    await vi.advanceTimersByTimeAsync(2_000);
    rig.socket.end(4001);
    expect(rig.client.retryAt - Date.now()).toBe(5_400);
    await vi.advanceTimersByTimeAsync(5_300);
    expect(rig.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(rig.sockets).toHaveLength(2);
  });

  test("is not hurried by a tab that comes to the front, but by a person", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "goaway", code: "deploy", reconnect_in_ms: 7400 });
    rig.socket.end(4001);
    await vi.advanceTimersByTimeAsync(1_000);
    rig.client.wake();
    rig.client.wake();
    expect(rig.client.retryAt - Date.now()).toBe(6_400);
    rig.client.retryNow();
    await settle();
    expect(rig.sockets).toHaveLength(2);
    rig.welcome();
    rig.socket.end(1006);
    expect(rig.client.retryAt - Date.now()).toBeLessThan(1_000);
  });

  test("is left at that time even if it does not close", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "goaway", code: "deploy", reconnect_in_ms: 3000 });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(rig.sockets).toHaveLength(2);
    expect(rig.sockets[0]?.closed).toBe(true);
  });
});

describe("a silent socket", () => {
  test("is called frozen after two heartbeats, and another one is opened", async () => {
    await rig.live(100, row("a"));
    await vi.advanceTimersByTimeAsync(40_000);
    expect(state()).toBe("live");
    expect(rig.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(state()).toBe("frozen");
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(rig.sockets[0]?.closed).toBe(true);
    expect(rig.sockets).toHaveLength(2);
    const hello = rig.welcome();
    expect(hello.subs[0]?.since).toEqual(position(100));
    rig.socket.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 100, resumed: true });
    expect(state()).toBe("live");
  });

  test("is told from one that only has nothing new to say", async () => {
    await rig.live(100, row("a"));
    for (let i = 0; i < 10; i++) {
      await vi.advanceTimersByTimeAsync(20_000);
      rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 0, q: { 1: 100 } });
    }
    expect(state()).toBe("live");
    expect(rig.sockets).toHaveLength(1);
  });

  test("becomes an ordinary reconnect when the next try fails", async () => {
    await rig.live(100, row("a"));
    await vi.advanceTimersByTimeAsync(42_000);
    expect(state()).toBe("frozen");
    rig.socket.end(1006);
    expect(state()).toBe("reconnecting");
  });

  test("is found at once when the tab comes back after a sleep", async () => {
    await rig.live(100, row("a"));
    vi.setSystemTime(Date.now() + 3_600_000);
    rig.client.wake();
    expect(state()).toBe("frozen");
  });

  test("is left alone on waking when it spoke lately", async () => {
    await rig.live(100, row("a"));
    rig.client.wake();
    expect(state()).toBe("live");
    expect(rig.socket.closed).toBe(false);
  });
});

describe("a heartbeat", () => {
  test("is answered", async () => {
    await rig.live();
    rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 0, q: { 1: 100 } });
    expect(rig.socket.count("pong")).toBe(1);
  });

  test("that tells of a frame which never came makes the subscription resume", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 0, q: { 1: 104 } });
    expect(rig.socket.last("sub")?.since).toEqual(position(100));
  });

  test("that names what is still waited for tells of a live that never came", async () => {
    await rig.start();
    rig.welcome();
    rig.socket.say({ t: "snap", sid: 1, epoch: "e1", page: 1, rows: [row("a")], more: false });
    rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 0, q: {} });
    expect(rig.socket.count("sub")).toBe(0);
    rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 0, q: { 1: 100 } });
    expect(rig.socket.last("sub")).toMatchObject({ sid: 2 });
    expect(rig.socket.last("sub")?.since).toBeUndefined();
  });

  test("tells how far the data lags", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 9000, q: { 1: 100 }, quarantined: 4 });
    expect(state()).toBe("lagging");
    expect(rig.client.quarantined).toBe(4);
    rig.socket.say({ t: "hb", now: Date.now(), lag_ms: 20, q: { 1: 100 } });
    expect(state()).toBe("live");
  });
});

describe("the time of a delta", () => {
  test("tells the lag by the server's clock, whatever this machine's says", async () => {
    await rig.start();
    rig.welcome({ now: Date.now() - 3_600_000 });
    rig.snapshot(100, row("a"));
    rig.socket.say({ ...rig.delta(100, 101), ts: Date.now() - 3_600_000 });
    rig.socket.say({ ...rig.delta(101, 102), ts: Date.now() - 3_600_000 - 200 });
    expect(state()).toBe("live");
    rig.socket.say({ ...rig.delta(102, 103), ts: Date.now() - 3_600_000 - 8_000 });
    expect(state()).toBe("lagging");
    expect(rig.client.clock.lagMs(Date.now())).toBe(8_000);
    expect(rig.client.clock.now()).toBe(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(state()).toBe("live");
  });

  test("says nothing in the first delta after live, which may cover a long absence", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ ...rig.delta(100, 101), ts: Date.now() - 60_000 });
    expect(state()).toBe("live");
  });
});

describe("a close code", () => {
  test.each([1002, 1003, 1007, 1009, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4999])("%i is final, says why and keeps the rows", async (code) => {
    await rig.live(100, row("a"));
    rig.socket.end(code);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(rig.sockets).toHaveLength(1);
    expect(state()).toBe("stopped");
    expect(rig.client.why).not.toBe("");
    expect(rig.client.error).toBeInstanceOf(ConnectionClosed);
    expect(rig.client.error).toMatchObject({ code, retry: false });
    expect(rig.rows).toEqual(["a in_transit"]);
  });

  test.each([1000, 1001, 1006, 1011, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4499])("%i is followed by another try", async (code) => {
    await rig.live(100, row("a"));
    rig.socket.end(code);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.sockets).toHaveLength(2);
  });

  test("that is final is tried again when a person asks", async () => {
    await rig.live(100, row("a"));
    rig.socket.end(4503);
    rig.client.retryNow();
    await settle();
    expect(rig.sockets).toHaveLength(2);
  });
});

describe("a message that breaks the protocol", () => {
  test.each<[string, string]>([
    ["no JSON", "{"],
    ["a row of an unknown shape", '{"t":"d","sid":1,"p":100,"q":101,"u":[{"id":"b","status":7}],"r":["a"]}'],
    ["a good frame before a bad one", '{"t":"d","sid":1,"p":100,"q":101,"u":[{"id":"b","v":1,"status":"created"}]}\n{"t":"d","sid":1}'],
  ])("(%s) changes nothing: the page reconnects from its last good position", async (_, message) => {
    await rig.live(100, row("a"));
    rig.socket.text(message);
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(rig.socket.closed).toBe(true);
    expect(state()).toBe("reconnecting");
    expect(rig.heard.find((event) => event.type === "protocol")?.error).toBeInstanceOf(ProtocolError);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.welcome().subs[0]?.since).toEqual(position(100));
  });
});

test("frames on a socket that was left change nothing", async () => {
  await rig.live(100, row("a"));
  const old = rig.socket;
  await vi.advanceTimersByTimeAsync(42_000);
  expect(rig.sockets).toHaveLength(2);
  rig.welcome();
  rig.socket.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 100, resumed: true });
  old.say(rig.delta(100, 101, [row("late")]));
  old.end(4505);
  expect(rig.rows).toEqual(["a in_transit"]);
  expect(state()).toBe("live");
});

test("a client that was stopped keeps its rows, and goes on where it was when it is started", async () => {
  await rig.live(100, row("a"));
  rig.client.stop();
  await vi.advanceTimersByTimeAsync(300_000);
  expect([state(), rig.sockets.length, rig.rows]).toEqual(["stopped", 1, ["a in_transit"]]);
  rig.client.start();
  await settle();
  expect(rig.welcome().subs[0]?.since).toEqual(position(100));
});
