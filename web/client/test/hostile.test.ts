// The client on real sockets against a server that breaks its promises.

import { ConnectionClosed, type Client, type ClientEvent, type Options, type Shipment, type Subscription } from "@waybill-io/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Hostile, type Peer } from "./hostile.ts";
import { connect, rowsOf, settled, Watch } from "./real.ts";

let server: Hostile;
let url: string;
let clients: Client[];

beforeEach(async () => {
  server = new Hostile();
  url = await server.listen();
  clients = [];
  for (let i = 0; i < 7; i++) server.change("shipments", `S-${i}`, "in_transit");
});

afterEach(async () => {
  for (const client of clients) client.stop();
  await server.close();
  expect(server.violations).toEqual([]);
});

interface Followed {
  readonly client: Client;
  readonly sub: Subscription<Shipment>;
  readonly watch: Watch<Shipment>;
  readonly heard: ClientEvent[];
}

/** Starts a client with one subscription. */
function follow(more: Partial<Options> = {}): Followed {
  const client = connect(url, more);
  clients.push(client);
  const sub = client.subscribe("shipments");
  const heard: ClientEvent[] = [];
  client.listen((event) => heard.push(event));
  const watch = new Watch(sub, server);
  client.start();
  return { client, sub, watch, heard };
}

const poll = { timeout: 15_000, interval: 5 };

/** Waits until the rows are the server's, and looks at how they became so. */
async function right({ client, sub, watch }: Pick<Followed, "client" | "sub"> & { watch: Watch<never> | Watch<Shipment> }): Promise<void> {
  await expect.poll(() => settled(client, sub, server), poll).toBe(true);
  expect(rowsOf(sub)).toEqual(server.at("shipments", server.seq));
  expect(watch.broken).toEqual([]);
}

async function live(more: Partial<Options> = {}): Promise<Followed> {
  const followed = follow(more);
  await right(followed);
  return followed;
}

/** Lets the n-th message that matches be handled by someone else; all others pass. */
function once(pattern: RegExp, handle: (peer: Peer, text: string) => void, n = 1): void {
  let left = n;
  server.mischief = (peer, text) => {
    if (pattern.test(text) && --left === 0) handle(peer, text);
    else peer.write(text);
  };
}

describe("a line that breaks", () => {
  test("between two pages of a snapshot leaves nothing half shown", async () => {
    once(/"t":"snap".*"page":2/, (peer) => peer.cut());
    const followed = await live();
    expect(server.handshakes).toBe(2);
    expect(server.snapshots).toBe(2);
    expect(followed.watch.events.filter((event) => event.type === "snapshot")).toHaveLength(1);
  });

  test("in the middle of a frame loses only that frame, which the resume brings", async () => {
    const followed = await live();
    once(/"t":"d"/, (peer, text) => peer.tear(text));
    server.change("shipments", "S-1", "lost");
    await right(followed);
    expect(followed.watch.reasons).toEqual(["lost"]);
    expect(server.snapshots).toBe(1);
  });
});

describe("deltas", () => {
  test("that come twice are applied once", async () => {
    const followed = await live();
    server.mischief = (peer, text) => {
      peer.write(text);
      if (/"t":"d"/.test(text)) peer.write(text);
    };
    server.change("shipments", "S-1", "lost");
    server.change("shipments", "S-2", null);
    server.mischief = (peer, text) => peer.write(text);
    await right(followed);
    expect(followed.watch.reasons).toContain("gap");
    expect(server.snapshots).toBe(1);
  });

  test("that come in another order are asked for again", async () => {
    const followed = await live();
    let held = "";
    server.mischief = (peer, text) => {
      if (!/"t":"d"/.test(text)) peer.write(text);
      else if (held === "") held = text;
      else {
        peer.write(text);
        peer.write(held);
        server.mischief = (p, t) => p.write(t);
      }
    };
    server.change("shipments", "S-1", "lost");
    server.change("shipments", "S-1", "delivered");
    await right(followed);
    expect(followed.watch.reasons).toEqual(["gap"]);
  });

  test("that are missing are found with the next one, and asked for from where it was", async () => {
    const followed = await live();
    const at = server.seq;
    once(/"t":"d"/, () => {});
    server.change("shipments", "S-1", "lost");
    server.change("shipments", "S-2", "lost");
    await right(followed);
    expect(followed.watch.reasons).toEqual(["gap"]);
    expect(server.received.findLast((m) => m["t"] === "sub")).toMatchObject({ since: { epoch: "e1", seq: at } });
  });

  test("of which the last is missing are found with a heartbeat", async () => {
    const followed = await live();
    once(/"t":"d"/, () => {});
    server.change("shipments", "S-1", "lost");
    server.heartbeat(server.peer);
    await right(followed);
    expect(followed.watch.reasons).toEqual(["gap"]);
  });

  test("of long ago change nothing", async () => {
    const written: string[] = [];
    server.mischief = (peer, text) => {
      written.push(text);
      peer.write(text);
    };
    const followed = await live();
    server.change("shipments", "S-1", "lost");
    server.change("shipments", "S-1", "delivered");
    await right(followed);
    const old = written.slice();
    for (const text of old) if (!/"t":"welcome"/.test(text)) server.peer.write(text);
    server.change("shipments", "S-3", "returning");
    await right(followed);
    expect(followed.sub.rows.get("S-1")?.status).toBe("delivered");
  });
});

test("a heartbeat that claims what is not so is answered by a resume, not by a reload", async () => {
  const followed = await live();
  server.heartbeat(server.peer, 3);
  await right(followed);
  await expect.poll(() => followed.watch.reasons, poll).toEqual(["gap"]);
  await right(followed);
  expect(server.snapshots).toBe(1);
});

test("a server that goes silent without closing is noticed, said to be frozen, and left", async () => {
  server.beat(200);
  const followed = await live();
  const { client, sub } = followed;
  server.mischief = () => {};
  server.change("shipments", "S-1", "lost");
  const states = new Set<string>();
  followed.client.listen(() => states.add(client.state(sub)));
  await expect.poll(() => client.frozen, poll).toBe(true);
  expect(client.state(sub)).toBe("frozen");
  expect(sub.rows.size).toBe(7);
  server.mischief = (peer, text) => peer.write(text);
  await right(followed);
  expect(client.state(sub)).toBe("live");
  expect(states).toContain("frozen");
});

describe("what cannot be read", () => {
  test.each(["{", "[]", "\u0000", '{"t":"d","sid":1,"p":1}', '{"t":"hb"}'])("(%j) makes the client connect anew, from where it was", async (garbage) => {
    const followed = await live();
    server.peer.write(garbage);
    await expect.poll(() => server.handshakes, poll).toBe(2);
    await right(followed);
    expect(followed.heard.some((event) => event.type === "protocol")).toBe(true);
    expect(server.snapshots).toBe(1);
  });

  test("because it is newer than the client is left out", async () => {
    const followed = await live();
    server.sayAll({ t: "poll", x: 1 }, { t: "hb", now: Date.now(), lag_ms: 0, q: {}, quarantined: 0, mood: "fine" });
    server.peer.write(JSON.stringify({ t: "d", sid: server.sub().sid, p: server.seq, q: server.seq, u: [], r: [], n: 0, why: [] }));
    server.change("shipments", "S-1", "lost");
    await right(followed);
    expect(followed.watch.reasons).toEqual([]);
    expect(server.handshakes).toBe(1);
  });
});

describe("a server that closes", () => {
  const again = [1000, 1001, 1011, 1012, 1013, 3000, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007, 4499];
  test.each(again)("with %i sees the client again, where it was", async (code) => {
    const followed = await live();
    server.peer.end(code);
    await expect.poll(() => server.handshakes, poll).toBe(2);
    await right(followed);
    expect(server.snapshots).toBe(1);
    expect(followed.watch.reasons).toEqual(["lost"]);
    expect(followed.heard.find((event) => event.type === "closed")?.error).toMatchObject({ code, retry: true });
  });

  const never = [1002, 1003, 1007, 1009, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4999];
  test.each(never)("with %i does not, and the rows stay", async (code) => {
    const { client, sub, watch } = await live();
    server.peer.end(code, "because");
    await expect.poll(() => client.link, poll).toBe("stopped");
    expect(client.error).toBeInstanceOf(ConnectionClosed);
    expect(client.error).toMatchObject({ code, retry: false, reason: "because" });
    expect([client.state(sub), sub.rows.size, watch.reasons]).toEqual(["stopped", 7, ["lost"]]);
    expect(server.handshakes).toBe(1);
  });

  test("after it said when to come back sees the client then, and not before", async () => {
    const { client } = await live();
    const before = Date.now();
    server.sayAll({ t: "goaway", code: "deploy", reconnect_in_ms: 300 });
    server.peer.end(4001);
    await expect.poll(() => client.link, poll).toBe("waiting");
    expect(client.retryAt - before).toBeGreaterThanOrEqual(300);
    await expect.poll(() => server.handshakes, poll).toBe(2);
    expect(Date.now() - before).toBeGreaterThanOrEqual(300);
  });
});

describe("a token that expires", () => {
  test("is renewed in the connection", async () => {
    let issued = 0;
    const followed = await live({ token: () => `token-${++issued}` });
    server.accepts = (token) => token !== "token-1";
    server.sayAll({ t: "authreq", within_ms: 25_000 });
    await expect.poll(() => server.peer.token, poll).toBe("token-2");
    server.change("shipments", "S-1", "lost");
    await right(followed);
    expect([server.handshakes, followed.watch.reasons]).toEqual([1, []]);
  });

  test("and is not renewed in time is followed by a connection with another one", async () => {
    let issued = 0;
    let rejected = 0;
    const followed = await live({ token: { fresh: () => `token-${++issued}`, reject: () => { rejected++; } } });
    server.peer.end(4005);
    await expect.poll(() => server.handshakes, poll).toBe(2);
    await right(followed);
    expect([server.peer.token, rejected]).toEqual(["token-2", 1]);
  });
});

describe("of two subscriptions", () => {
  test("only the one that is reset starts over", async () => {
    const one = follow();
    const orders = one.client.subscribe("orders");
    const watch = new Watch(orders, server);
    server.change("orders", "O-1", "placed");
    await right(one);
    await expect.poll(() => settled(one.client, orders, server), poll).toBe(true);
    server.reset(server.peer, server.sub("orders"), "slow");
    server.change("orders", "O-2", "placed");
    server.change("shipments", "S-1", "lost");
    await right(one);
    await expect.poll(() => settled(one.client, orders, server), poll).toBe(true);
    expect([one.watch.reasons, watch.reasons]).toEqual([[], ["reset slow"]]);
    expect(rowsOf(orders)).toEqual(server.at("orders", server.seq));
    expect([...watch.broken, ...one.watch.broken]).toEqual([]);
  });

  test("only the one whose rights changed goes blank", async () => {
    const one = follow();
    const orders = one.client.subscribe("orders");
    server.change("orders", "O-1", "placed");
    await right(one);
    once(/"t":"snap"/, () => {});
    server.reset(server.peer, server.sub("orders"), "authz");
    await expect.poll(() => orders.rows.size, poll).toBe(0);
    expect(one.sub.rows.size).toBe(7);
    expect(one.client.state(one.sub)).toBe("live");
  });
});

describe("a numbering that starts anew", () => {
  test("brings a snapshot, whatever its positions are", async () => {
    const followed = await live();
    server.rebuild();
    await right(followed);
    expect(followed.watch.reasons).toEqual(["reset epoch"]);
    expect(followed.sub.position?.epoch).toBe("e2");
  });

  test("is noticed by whoever comes back, as is an absence that was too long", async () => {
    const followed = await live();
    server.refuse = () => 503;
    server.peer.cut();
    await expect.poll(() => followed.client.link, poll).toBe("waiting");
    server.low = server.seq + 5;
    for (let i = 0; i < 10; i++) server.change("shipments", `S-${i}`, "returning");
    server.refuse = () => 0;
    await right(followed);
    expect(followed.watch.reasons).toEqual(["lost", "reset history"]);
  });
});

describe("a network that lets no WebSocket through", () => {
  beforeEach(() => { server.refuse = (path) => (path === "/v1/live" ? 403 : 0); });

  test("is gone around with an event stream, with the same rows", async () => {
    const followed = await live();
    expect([followed.client.transport, server.handshakes]).toEqual(["sse", 3]);
    server.change("shipments", "S-1", "lost");
    server.change("shipments", "S-2", null);
    await right(followed);
    expect(followed.watch.reasons).toEqual([]);
  });

  test("has the same resume after a lost line, a torn event or a missing one", async () => {
    const followed = await live();
    server.peer.cut();
    await expect.poll(() => server.streams, poll).toBe(2);
    await right(followed);
    once(/"t":"d"/, (peer, text) => peer.tear(text));
    server.change("shipments", "S-1", "lost");
    await right(followed);
    once(/"t":"d"/, () => {});
    server.change("shipments", "S-2", "lost");
    server.heartbeat(server.peer);
    await right(followed);
    expect(followed.watch.reasons).toEqual(["lost", "lost", "gap"]);
    expect(server.snapshots).toBe(1);
  });

  test("has the same close codes", async () => {
    const { client } = await live();
    server.peer.end(4001);
    await expect.poll(() => server.streams, poll).toBe(2);
    await expect.poll(() => client.link, poll).toBe("open");
    server.peer.end(4505);
    await expect.poll(() => client.link, poll).toBe("stopped");
    expect(client.error).toMatchObject({ code: 4505, retry: false });
  });

  test("has an answer with a status where there is no close code", async () => {
    server.accepts = () => false;
    const { client } = follow({ token: { fresh: () => "bad", manual: true } });
    await expect.poll(() => client.link, poll).toBe("signin");
    expect(client.error).toMatchObject({ code: 4501, reason: "the answer is 401" });
  });

  test("waits as long as a busy server asks", async () => {
    server.refuse = (path) => (path === "/v1/live" ? 403 : 503);
    const { client } = follow();
    await expect.poll(() => client.error?.code, poll).toBe(4006);
    expect(client.retryAt - Date.now()).toBeGreaterThan(500);
    expect(client.error).toMatchObject({ retry: true });
  });

  test("takes a subscription that is added later, and one that is more than an address holds", async () => {
    const followed = await live();
    const many = Array.from({ length: 100 }, (_, i) => `status-${"x".repeat(60)}-${i}`);
    const orders = followed.client.subscribe("orders", { filter: { f: "status", op: "in", v: ["placed", ...many.slice(1)] } });
    server.change("orders", "O-1", "placed");
    await expect.poll(() => settled(followed.client, orders, server), poll).toBe(true);
    expect([...orders.rows.keys()]).toEqual(["O-1"]);
    await right(followed);
    expect(server.snapshots).toBe(2);
  });

  test("has a token that expires renewed with a new stream", async () => {
    let issued = 0;
    const followed = await live({ token: () => `token-${++issued}` });
    const before = issued;
    server.sayAll({ t: "authreq", within_ms: 25_000 });
    await expect.poll(() => server.peers.size === 1 && server.peer.token, poll).toBe(`token-${before + 1}`);
    await right(followed);
    expect(server.snapshots).toBe(1);
  });
});
