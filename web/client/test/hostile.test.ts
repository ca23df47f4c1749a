// The client on real sockets against a server that breaks its promises.

import { ConnectionClosed } from "@waybill-io/client";
import { describe, expect, test } from "vitest";
import { rowsOf, settled, Watch } from "./real.ts";
import { poll, stage } from "./stage.ts";

const on = stage();

describe("a line that breaks", () => {
  test("between two pages of a snapshot leaves nothing half shown", async () => {
    on.once(/"t":"snap".*"page":2/, (peer) => peer.cut());
    const followed = await on.live();
    expect(on.server.handshakes).toBe(2);
    expect(on.server.snapshots).toBe(2);
    expect(followed.watch.events.filter((event) => event.type === "snapshot")).toHaveLength(1);
  });

  test("in the middle of a frame loses only that frame, which the resume brings", async () => {
    const followed = await on.live();
    on.once(/"t":"d"/, (peer, text) => peer.tear(text));
    on.server.change("shipments", "S-1", "lost");
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["lost"]);
    expect(on.server.snapshots).toBe(1);
  });
});

describe("deltas", () => {
  test("that come twice are applied once", async () => {
    const followed = await on.live();
    on.server.mischief = (peer, text) => {
      peer.write(text);
      if (/"t":"d"/.test(text)) peer.write(text);
    };
    on.server.change("shipments", "S-1", "lost");
    on.server.change("shipments", "S-2", null);
    on.server.mischief = (peer, text) => peer.write(text);
    await on.right(followed);
    expect(followed.watch.reasons).toContain("gap");
    expect(on.server.snapshots).toBe(1);
  });

  test("that come in another order are asked for again", async () => {
    const followed = await on.live();
    let held = "";
    on.server.mischief = (peer, text) => {
      if (!/"t":"d"/.test(text)) peer.write(text);
      else if (held === "") held = text;
      else {
        peer.write(text);
        peer.write(held);
        on.server.mischief = (p, t) => p.write(t);
      }
    };
    on.server.change("shipments", "S-1", "lost");
    on.server.change("shipments", "S-1", "delivered");
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["gap"]);
  });

  test("that are missing are found with the next one, and asked for from where it was", async () => {
    const followed = await on.live();
    const at = on.server.seq;
    on.once(/"t":"d"/, () => {});
    on.server.change("shipments", "S-1", "lost");
    on.server.change("shipments", "S-2", "lost");
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["gap"]);
    expect(on.server.received.findLast((m) => m["t"] === "sub")).toMatchObject({ since: { epoch: "e1", seq: at } });
  });

  test("of which the last is missing are found with a heartbeat", async () => {
    const followed = await on.live();
    on.once(/"t":"d"/, () => {});
    on.server.change("shipments", "S-1", "lost");
    on.server.heartbeat(on.server.peer);
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["gap"]);
  });

  test("of long ago change nothing", async () => {
    const written: string[] = [];
    on.server.mischief = (peer, text) => {
      written.push(text);
      peer.write(text);
    };
    const followed = await on.live();
    on.server.change("shipments", "S-1", "lost");
    on.server.change("shipments", "S-1", "delivered");
    await on.right(followed);
    const old = written.slice();
    for (const text of old) if (!/"t":"welcome"/.test(text)) on.server.peer.write(text);
    on.server.change("shipments", "S-3", "returning");
    await on.right(followed);
    expect(followed.sub.rows.get("S-1")?.status).toBe("delivered");
  });
});

test("a heartbeat that claims what is not so is answered by a resume, not by a reload", async () => {
  const followed = await on.live();
  on.server.heartbeat(on.server.peer, 3);
  await on.right(followed);
  await expect.poll(() => followed.watch.reasons, poll).toEqual(["gap"]);
  await on.right(followed);
  expect(on.server.snapshots).toBe(1);
});

test("a server that goes silent without closing is noticed, said to be frozen, and left", async () => {
  on.server.beat(400);
  const followed = await on.live();
  const { client, sub } = followed;
  const told: string[] = [];
  client.listen(() => {
    told.push(client.state(sub));
    if (client.frozen) on.server.mischief = (peer, text) => peer.write(text);
  });
  on.server.mischief = () => {};
  on.server.change("shipments", "S-1", "lost");
  await expect.poll(() => told, poll).toContain("frozen");
  expect(sub.rows.size).toBe(7);
  await on.right(followed);
  expect([client.state(sub), followed.watch.reasons]).toEqual(["live", ["lost"]]);
});

describe("what cannot be read", () => {
  test.each(["{", "[]", "\u0000", '{"t":"d","sid":1,"p":1}', '{"t":"hb"}'])("(%j) makes the client connect anew, from where it was", async (garbage) => {
    const followed = await on.live();
    on.server.peer.write(garbage);
    await expect.poll(() => on.server.handshakes, poll).toBe(2);
    await on.right(followed);
    expect(followed.heard.some((event) => event.type === "protocol")).toBe(true);
    expect(on.server.snapshots).toBe(1);
  });

  test("because it is newer than the client is left out", async () => {
    const followed = await on.live();
    on.server.sayAll({ t: "poll", x: 1 }, { t: "hb", now: Date.now(), lag_ms: 0, q: {}, quarantined: 0, mood: "fine" });
    on.server.peer.write(JSON.stringify({ t: "d", sid: on.server.sub().sid, p: on.server.seq, q: on.server.seq, u: [], r: [], n: 0, why: [] }));
    on.server.change("shipments", "S-1", "lost");
    await on.right(followed);
    expect(followed.watch.reasons).toEqual([]);
    expect(on.server.handshakes).toBe(1);
  });
});

describe("a server that closes", () => {
  const again = [1000, 1001, 1011, 1012, 1013, 3000, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4499];
  test.each(again)("with %i sees the client again, where it was", async (code) => {
    const followed = await on.live();
    on.server.peer.end(code);
    await expect.poll(() => on.server.handshakes, poll).toBe(2);
    await on.right(followed);
    expect(on.server.snapshots).toBe(1);
    expect(followed.watch.reasons).toEqual(["lost"]);
    expect(followed.heard.find((event) => event.type === "closed")?.error).toMatchObject({ code, retry: true });
  });

  const never = [1002, 1003, 1007, 1009, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4999];
  test.each(never)("with %i does not, and the rows stay", async (code) => {
    const { client, sub, watch } = await on.live();
    on.server.peer.end(code, "because");
    await expect.poll(() => client.link, poll).toBe("stopped");
    expect(client.error).toBeInstanceOf(ConnectionClosed);
    expect(client.error).toMatchObject({ code, retry: false, reason: "because" });
    expect([client.state(sub), sub.rows.size, watch.reasons]).toEqual(["stopped", 7, ["lost"]]);
    expect(on.server.handshakes).toBe(1);
  });

  test("after it said when to come back sees the client then, and not before", async () => {
    const { client } = await on.live();
    const before = Date.now();
    on.server.sayAll({ t: "goaway", code: "deploy", reconnect_in_ms: 300 });
    on.server.peer.end(4001);
    await expect.poll(() => client.link, poll).toBe("waiting");
    expect(client.retryAt - before).toBeGreaterThanOrEqual(300);
    await expect.poll(() => on.server.handshakes, poll).toBe(2);
    expect(Date.now() - before).toBeGreaterThanOrEqual(300);
  });
});

describe("a token that expires", () => {
  test("is renewed in the connection", async () => {
    let issued = 0;
    const followed = await on.live({ token: () => `token-${++issued}` });
    on.server.accepts = (token) => token !== "token-1";
    on.server.sayAll({ t: "authreq", within_ms: 25_000 });
    await expect.poll(() => on.server.peer.token, poll).toBe("token-2");
    on.server.change("shipments", "S-1", "lost");
    await on.right(followed);
    expect([on.server.handshakes, followed.watch.reasons]).toEqual([1, []]);
  });

  test("and is not renewed in time is followed by a connection with another one", async () => {
    let issued = 0;
    let rejected = 0;
    const followed = await on.live({ token: { fresh: () => `token-${++issued}`, reject: () => { rejected++; } } });
    on.server.peer.end(4005);
    await expect.poll(() => on.server.handshakes, poll).toBe(2);
    await on.right(followed);
    expect([on.server.peer.token, rejected]).toEqual(["token-2", 1]);
  });
});

describe("of two subscriptions", () => {
  test("only the one that is reset starts over", async () => {
    const one = on.follow();
    const orders = one.client.subscribe("orders");
    const watch = new Watch(orders, on.server);
    on.server.change("orders", "O-1", "placed");
    await on.right(one);
    await expect.poll(() => settled(one.client, orders, on.server), poll).toBe(true);
    on.server.reset(on.server.peer, on.server.sub("orders"), "slow");
    on.server.change("orders", "O-2", "placed");
    on.server.change("shipments", "S-1", "lost");
    await on.right(one);
    await expect.poll(() => settled(one.client, orders, on.server), poll).toBe(true);
    expect([one.watch.reasons, watch.reasons]).toEqual([[], ["reset slow"]]);
    expect(rowsOf(orders)).toEqual(on.server.at("orders", on.server.seq));
    expect([...watch.broken, ...one.watch.broken]).toEqual([]);
  });

  test("only the one whose rights changed goes blank", async () => {
    const one = on.follow();
    const orders = one.client.subscribe("orders");
    on.server.change("orders", "O-1", "placed");
    await on.right(one);
    await expect.poll(() => orders.rows.size, poll).toBe(1);
    on.server.mischief = (peer, text) => { if (!/"t":"(snap|live)"/.test(text)) peer.write(text); };
    on.server.reset(on.server.peer, on.server.sub("orders"), "authz");
    await expect.poll(() => orders.rows.size, poll).toBe(0);
    expect([one.sub.rows.size, one.client.state(one.sub), one.client.state(orders)]).toEqual([7, "live", "reconnecting"]);
  });
});

describe("a numbering that starts anew", () => {
  test("brings a snapshot, whatever its positions are", async () => {
    const followed = await on.live();
    on.server.rebuild();
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["reset epoch"]);
    expect(followed.sub.position?.epoch).toBe("e2");
  });

  test("is noticed by whoever comes back, as is an absence that was too long", async () => {
    const followed = await on.live();
    on.server.refuse = () => 503;
    on.server.peer.cut();
    await expect.poll(() => followed.client.link, poll).toBe("waiting");
    on.server.low = on.server.seq + 5;
    for (let i = 0; i < 10; i++) on.server.change("shipments", `S-${i}`, "returning");
    on.server.refuse = () => 0;
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["lost", "reset history"]);
  });
});
