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

describe("a snapshot", () => {
  test("is shown when it is whole and live, not before", async () => {
    await rig.start();
    rig.welcome();
    expect(state()).toBe("connecting");
    rig.socket.say({ t: "snap", sid: 1, epoch: "e1", page: 1, rows: [row("a")], more: true });
    rig.socket.say({ t: "snap", sid: 1, epoch: "e1", page: 2, rows: [row("b")], more: false });
    expect(rig.rows).toEqual([]);
    rig.socket.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 7, resumed: false, rows: 2 });
    expect(rig.rows).toEqual(["a in_transit", "b in_transit"]);
    expect(state()).toBe("live");
    expect(rig.sub.position).toEqual(position(7));
  });

  test("may be empty, with no page at all", async () => {
    await rig.start();
    rig.welcome();
    rig.socket.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 7, resumed: false, rows: 0 });
    expect(state()).toBe("live");
  });

  test.each<[string, object[]]>([
    ["its last page is missing", [{ page: 1, more: true }]],
    ["a page is missing in between", [{ page: 1, more: true }, { page: 3, more: false }]],
    ["it does not begin at its first page", [{ page: 2, more: false }]],
    ["its pages are of two epochs", [{ page: 1, more: true }, { page: 2, more: false, epoch: "e2" }]],
    ["rows are missing", [{ page: 1, more: false, rows: [] }]],
  ])("is asked for again and never live when %s", async (_, pages) => {
    await rig.start();
    rig.welcome();
    for (const page of pages) rig.socket.say({ t: "snap", sid: 1, epoch: "e1", rows: [row("a")], ...page });
    rig.socket.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 7, resumed: false, rows: 1 });
    expect(rig.rows).toEqual([]);
    expect(state()).toBe("connecting");
    expect(rig.socket.last("sub")).toMatchObject({ topic: "shipments" });
    expect(rig.socket.last("sub")?.since).toBeUndefined();
  });
});

describe("a delta", () => {
  test("puts whole rows, drops the removed ones, and moves the position", async () => {
    await rig.live(100, row("a"), row("b"));
    rig.socket.say(rig.delta(100, 104, [row("a", "returning"), row("c", "created")], ["b"]));
    expect(rig.rows).toEqual(["a returning", "c created"]);
    expect(rig.sub.position).toEqual(position(104));
  });

  test("of several in one message, each one is applied", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(100, 101, [row("b")]), rig.delta(101, 105, [], ["a"]), rig.delta(105, 106, [row("c")]));
    expect(rig.rows).toEqual(["b in_transit", "c in_transit"]);
    expect(rig.sub.position?.seq).toBe(106);
  });

  test("that does not tile is not applied: the subscription resumes from its own position", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(102, 103, [row("x")]));
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(rig.socket.sent.slice(-2)).toMatchObject([
      { t: "unsub", sid: 1 },
      { t: "sub", sid: 2, topic: "shipments", since: position(100) },
    ]);
    expect(state()).toBe("reconnecting");
  });

  test("that overlaps what was applied does not tile either", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(100, 103));
    rig.socket.say(rig.delta(101, 104, [row("x")]));
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(rig.socket.last("sub")?.since).toEqual(position(103));
  });

  test("of a subscription that is no longer ours is ignored", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(102, 103));
    rig.socket.say({ t: "d", sid: 1, p: 100, q: 101, u: [row("old")], r: ["a"] });
    rig.socket.say({ t: "d", sid: 77, p: 100, q: 101, u: [row("never")], r: [] });
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(rig.client.foreign).toBe(2);
  });

  test("after a resume tiles from the position that was kept", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(102, 103));
    rig.socket.say({ t: "live", sid: 2, epoch: "e1", shape: "s1", q: 100, resumed: true }, { t: "d", sid: 2, p: 100, q: 103, u: [row("b")], r: ["a"] });
    expect(rig.rows).toEqual(["b in_transit"]);
    expect(state()).toBe("live");
  });

  test("that keeps breaking the tiling is asked for ever more slowly", async () => {
    await rig.live(100, row("a"));
    for (let i = 0; i < 5; i++) {
      rig.socket.say(rig.delta(900, 901));
      rig.socket.say({ t: "live", sid: rig.sid, epoch: "e1", shape: "s1", q: 100, resumed: true });
    }
    expect(rig.socket.count("sub")).toBe(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(rig.socket.count("sub")).toBe(2);
  });
});

describe("a resume that the server grants for something else", () => {
  test.each([["epoch", { epoch: "e2", shape: "s1" }], ["shape", { epoch: "e1", shape: "s2" }]])("by %s is not accepted", async (_, other) => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(102, 103));
    rig.socket.say({ t: "live", sid: 2, q: 100, resumed: true, ...other });
    expect(state()).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(2_000);
    expect(rig.socket.last("sub")?.since).toBeUndefined();
    expect(rig.rows).toEqual(["a in_transit"]);
  });
});

describe("a reset", () => {
  test.each(["slow", "history", "epoch", "filter"])("for %s keeps the rows until the new snapshot is there", async (code) => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "reset", sid: 1, code, retry_ms: 0 });
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(state()).toBe("reconnecting");
    rig.socket.say(rig.delta(100, 101, [row("x")]));
    expect(rig.rows).toEqual(["a in_transit"]);
    rig.snapshot(200, row("b"));
    expect(rig.rows).toEqual(["b in_transit"]);
    expect(state()).toBe("live");
    expect(rig.socket.count("sub")).toBe(0);
  });

  test("for authz takes the rows away at once: the right to see them is in doubt", async () => {
    await rig.live(100, row("a"));
    rig.sub.table.pause();
    rig.socket.say({ t: "reset", sid: 1, code: "authz", retry_ms: 0 });
    expect(rig.rows).toEqual([]);
    expect(rig.sub.table.visible.size).toBe(0);
  });

  test("that no snapshot follows is answered with a new request", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "reset", sid: 1, code: "slow", retry_ms: 850 });
    await vi.advanceTimersByTimeAsync(15_800);
    expect(rig.socket.count("sub")).toBe(0);
    await vi.advanceTimersByTimeAsync(100);
    expect(rig.socket.last("sub")).toMatchObject({ sid: 2 });
    expect(rig.socket.last("sub")?.since).toBeUndefined();
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

describe("a token", () => {
  test("is renewed on the open socket when the server asks", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "authreq", within_ms: 25_000 });
    await settle();
    expect(rig.socket.last("auth")).toEqual({ t: "auth", token: "token-2" });
    expect(state()).toBe("live");
  });

  test("that only a person can renew is asked for while data goes on", async () => {
    await rig.live(100, row("a"));
    rig.tokens.manual = true;
    rig.socket.say({ t: "authreq", within_ms: 25_000 });
    await settle();
    expect(rig.client.wantsToken).toBe(true);
    expect(rig.socket.last("auth")).toBeUndefined();
    await rig.client.renew();
    expect(rig.socket.last("auth")).toEqual({ t: "auth", token: "token-2" });
    expect(rig.client.wantsToken).toBe(false);
  });

  test("that a person gave for a running connection and the server refused is asked for again", async () => {
    await rig.live(100, row("a"));
    rig.tokens.manual = true;
    await rig.client.renew();
    rig.socket.say({ t: "err", code: "unauthenticated", msg: "the token was not accepted", retry_ms: 0 });
    expect(rig.client.wantsToken).toBe(true);
    expect(state()).toBe("live");
  });

  test("that expired is left behind and a fresh one tried", async () => {
    await rig.live(100, row("a"));
    rig.socket.end(4005);
    expect(rig.tokens.rejected).toBe(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.welcome().token).toBe("token-2");
  });

  test("that nobody has yet is waited for", async () => {
    rig.tokens.needsPerson = true;
    await rig.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state()).toBe("signin");
    expect(rig.sockets).toHaveLength(0);
    rig.tokens.needsPerson = false;
    rig.client.retryNow();
    await settle();
    expect(rig.sockets).toHaveLength(1);
  });

  test("that a person gave and the server refused is asked for again", async () => {
    rig.tokens.manual = true;
    await rig.start();
    rig.socket.open();
    rig.socket.end(4501);
    expect(state()).toBe("signin");
    expect(rig.tokens.rejected).toBe(1);
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

describe("an error", () => {
  test("of one subscription that may pass is retried after the time that the server names", async () => {
    await rig.start();
    rig.welcome();
    rig.socket.say({ t: "err", sid: 1, code: "overloaded", msg: "", retry_ms: 3000 });
    await vi.advanceTimersByTimeAsync(2_900);
    expect(rig.socket.count("sub")).toBe(0);
    await vi.advanceTimersByTimeAsync(200);
    expect(rig.socket.count("sub")).toBe(1);
  });

  test("that will not pass refuses the subscription, with its words, and no other", async () => {
    await rig.start();
    rig.welcome();
    rig.socket.say({ t: "err", sid: 1, code: "limit", msg: "more than 5000 rows", retry_ms: 0 });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(state()).toBe("refused");
    expect(rig.sub.refusal).toMatchObject({ name: "SubscriptionRefused", code: "limit", message: "more than 5000 rows" });
    expect(rig.socket.count("sub")).toBe(0);
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

describe("a subscription added later", () => {
  test("is asked for on the open socket under its own id", async () => {
    await rig.live(100, row("a"));
    const other = rig.client.subscribe("orders");
    expect(rig.socket.last("sub")).toEqual({ t: "sub", sid: 2, topic: "orders" });
    rig.socket.say({ t: "live", sid: 2, epoch: "e1", shape: "s9", q: 5, resumed: false });
    rig.socket.say({ t: "d", sid: 2, p: 5, q: 6, u: [row("other")], r: [] });
    expect(rig.rows).toEqual(["a in_transit"]);
    expect([...other.rows.keys()]).toEqual(["other"]);
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

describe("what is told of a subscription", () => {
  const types = () => rig.said.map((event) => event.type);

  test("is every change, with its rows", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(100, 101, [row("b")], ["a"]));
    expect(types()).toEqual(["snapshot", "live", "change"]);
    expect(rig.said.at(-1)).toMatchObject({ put: [{ id: "b" }], drop: ["a"] });
  });

  test("is every break, and why", async () => {
    await rig.live(100, row("a"));
    rig.socket.say(rig.delta(102, 103));
    rig.socket.say({ t: "live", sid: 2, epoch: "e1", shape: "s1", q: 100, resumed: true });
    rig.socket.say({ t: "reset", sid: 2, code: "slow", retry_ms: 0 });
    rig.snapshot(200, row("b"));
    rig.socket.end(1006);
    expect(types()).toEqual(["snapshot", "live", "stale", "live", "stale", "snapshot", "live", "stale"]);
    expect(rig.said.filter((event) => event.type === "stale").map(({ reason, code }) => [reason, code])).toEqual([["gap", ""], ["reset", "slow"], ["lost", ""]]);
  });

  test("is a reset that meets it while it is not live, and that its rows are gone", async () => {
    await rig.live(100, row("a"));
    rig.socket.end(4007);
    await rig.comeBack();
    rig.welcome();
    rig.socket.say({ t: "reset", sid: 1, code: "authz", retry_ms: 0 });
    expect(rig.said.slice(-3)).toEqual([
      { type: "stale", reason: "lost", code: "" }, { type: "stale", reason: "reset", code: "authz" }, { type: "cleared" },
    ]);
  });

  test("reaches every listener, though one of them throws", async () => {
    const heard: string[] = [];
    const thrown: unknown[] = [];
    const uncaught = (err: unknown) => { thrown.push(err); };
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException").on("uncaughtException", uncaught);
    const end = rig.sub.listen(() => { throw new Error("mine"); });
    rig.sub.listen((event) => heard.push(event.type));
    await rig.live(100, row("a"));
    end();
    await vi.waitFor(() => expect(thrown).toHaveLength(2));
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
    expect(heard).toEqual(["snapshot", "live"]);
    expect(state()).toBe("live");
  });
});

describe("a snapshot that lies behind what was shown", () => {
  test("is not taken within its epoch: the state never goes back", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "reset", sid: 1, code: "slow", retry_ms: 0 });
    rig.snapshot(90, row("old"));
    expect(rig.rows).toEqual(["a in_transit"]);
    expect(state()).toBe("reconnecting");
    expect(rig.socket.last("sub")?.since).toBeUndefined();
    rig.snapshot(100, row("b"));
    expect(rig.rows).toEqual(["b in_transit"]);
  });

  test("is taken in another epoch", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "reset", sid: 1, code: "epoch", retry_ms: 0 });
    rig.socket.say({ t: "snap", sid: 1, epoch: "e2", page: 1, rows: [row("b")], more: false });
    rig.socket.say({ t: "live", sid: 1, epoch: "e2", shape: "s1", q: 3, resumed: false, rows: 1 });
    expect(rig.rows).toEqual(["b in_transit"]);
  });
});

test("a snapshot that nobody waits for is not taken: the subscription resumes from its own position", async () => {
  await rig.live(100, row("a"));
  rig.snapshot(100, row("b"));
  expect(rig.rows).toEqual(["a in_transit"]);
  expect(rig.socket.last("sub")?.since).toEqual(position(100));
});

test("a resume that claims another position than the one that was kept is not accepted", async () => {
  await rig.live(100, row("a"));
  rig.socket.say(rig.delta(102, 103));
  rig.socket.say({ t: "live", sid: 2, epoch: "e1", shape: "s1", q: 103, resumed: true });
  expect(state()).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(rig.socket.last("sub")?.since).toBeUndefined();
});

describe("a subscription that is closed", () => {
  test("is not asked for again, and its frames are left alone", async () => {
    await rig.live(100, row("a"));
    rig.sub.close();
    expect(rig.socket.last("unsub")).toEqual({ t: "unsub", sid: 1 });
    expect(state()).toBe("stopped");
    rig.socket.say({ t: "d", sid: 1, p: 100, q: 101, u: [row("b")], r: [] });
    expect(rig.rows).toEqual(["a in_transit"]);
    rig.socket.end(1006);
    await rig.comeBack();
    expect(rig.welcome().subs).toEqual([]);
  });

  test("leaves its rows to one of another filter, until that one's are whole", async () => {
    await rig.live(100, row("a"));
    rig.sub.close();
    const other = rig.client.subscribe("shipments", { filter: { f: "status", op: "eq", v: "lost" }, table: rig.sub.table });
    expect(rig.socket.last("sub")).toEqual({ t: "sub", sid: 2, topic: "shipments", filter: { f: "status", op: "eq", v: "lost" } });
    expect([...other.rows.keys()]).toEqual(["a"]);
    rig.socket.say({ t: "snap", sid: 2, epoch: "e1", page: 1, rows: [row("z", "lost")], more: false });
    rig.socket.say({ t: "live", sid: 2, epoch: "e1", shape: "s2", q: 100, resumed: false, rows: 1 });
    expect([...other.rows.keys()]).toEqual(["z"]);
  });
});

test("what is asked for carries the pace that was wanted", async () => {
  await rig.live();
  rig.client.subscribe("kpis", { maxHz: 0.5 });
  expect(rig.socket.last("sub")).toEqual({ t: "sub", sid: 2, topic: "kpis", max_hz: 0.5 });
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
