import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Rig, row } from "./harness.ts";

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
