// The client on real event streams, where no WebSocket gets through.

import { beforeEach, describe, expect, test } from "vitest";
import { settled } from "./real.ts";
import { poll, stage } from "./stage.ts";

const on = stage();

describe("a network that lets no WebSocket through", () => {
  beforeEach(() => { on.server.refuse = (path) => (path === "/v1/live" ? 403 : 0); });

  test("is gone around with an event stream, with the same rows", async () => {
    const followed = await on.live();
    expect([followed.client.transport, on.server.handshakes]).toEqual(["sse", 3]);
    on.server.change("shipments", "S-1", "lost");
    on.server.change("shipments", "S-2", null);
    await on.right(followed);
    expect(followed.watch.reasons).toEqual([]);
  });

  test("has the same resume after a lost line, a torn event or a missing one", async () => {
    const followed = await on.live();
    on.server.peer.cut();
    await expect.poll(() => on.server.streams, poll).toBe(2);
    await on.right(followed);
    on.once(/"t":"d"/, (peer, text) => peer.tear(text));
    on.server.change("shipments", "S-1", "lost");
    await on.right(followed);
    on.once(/"t":"d"/, () => {});
    on.server.change("shipments", "S-2", "lost");
    on.server.heartbeat(on.server.peer);
    await on.right(followed);
    expect(followed.watch.reasons).toEqual(["lost", "lost", "gap"]);
    expect(on.server.snapshots).toBe(1);
  });

  test("has the same close codes", async () => {
    const { client } = await on.live();
    on.server.peer.end(4001);
    await expect.poll(() => on.server.streams, poll).toBe(2);
    await expect.poll(() => client.link, poll).toBe("open");
    on.server.peer.end(4505);
    await expect.poll(() => client.link, poll).toBe("stopped");
    expect(client.error).toMatchObject({ code: 4505, retry: false });
  });

  test("has an answer with a status where there is no close code", async () => {
    on.server.accepts = () => false;
    const { client } = on.follow({ token: { fresh: () => "bad", manual: true } });
    await expect.poll(() => client.link, poll).toBe("signin");
    expect(client.error).toMatchObject({ code: 4501, reason: "the answer is 401" });
  });

  test("waits as long as a busy server asks", async () => {
    on.server.refuse = (path) => (path === "/v1/live" ? 403 : 503);
    const { client } = on.follow();
    await expect.poll(() => client.error?.code, poll).toBe(4006);
    expect(client.retryAt - Date.now()).toBeGreaterThan(500);
    expect(client.error).toMatchObject({ retry: true });
  });

  test("takes a subscription that is added later, and one that is more than an address holds", async () => {
    const followed = await on.live();
    const many = Array.from({ length: 100 }, (_, i) => `status-${"x".repeat(60)}-${i}`);
    const orders = followed.client.subscribe("orders", { filter: { f: "status", op: "in", v: ["placed", ...many.slice(1)] } });
    on.server.change("orders", "O-1", "placed");
    await expect.poll(() => settled(followed.client, orders, on.server), poll).toBe(true);
    expect([...orders.rows.keys()]).toEqual(["O-1"]);
    await on.right(followed);
    expect(on.server.snapshots).toBe(2);
  });

  test("has a token that expires renewed with a new stream", async () => {
    let issued = 0;
    const followed = await on.live({ token: () => `token-${++issued}` });
    const before = issued;
    on.server.sayAll({ t: "authreq", within_ms: 25_000 });
    await expect.poll(() => on.server.peers.size === 1 && on.server.peer.token, poll).toBe(`token-${before + 1}`);
    await on.right(followed);
    expect(on.server.snapshots).toBe(1);
  });
});
