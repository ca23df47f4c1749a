// Which way is taken, when: over WebSockets, an event stream, and back.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Rig, settle, welcome } from "./harness.ts";

/** A stream that the test holds the server's end of. */
class FakeStream {
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly #body = new ReadableStream<Uint8Array>({ start: (controller) => { this.#controller = controller; } });
  readonly answer = new Response(this.#body, { headers: { "content-type": "text/event-stream" } });

  constructor(readonly url: string, readonly init: RequestInit) {
    init.signal?.addEventListener("abort", () => this.#controller?.error(new Error("aborted")));
  }

  async say(...frames: object[]): Promise<void> {
    this.#controller?.enqueue(this.#encoder.encode(`${frames.map((frame) => `data: ${JSON.stringify(frame)}`).join("\n")}\n\n`));
    await settle();
  }

  async end(): Promise<void> {
    this.#controller?.close();
    await settle();
  }
}

let rig: Rig;
let streams: FakeStream[];
let refusal: (() => Response) | null;

function fetch(url: string, init: RequestInit): Promise<Response> {
  const stream = new FakeStream(url, init);
  streams.push(stream);
  return Promise.resolve(refusal?.() ?? stream.answer);
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  streams = [];
  refusal = null;
  rig = new Rig({ transports: ["websocket", "sse"], fetch });
});

afterEach(() => {
  rig.client.stop();
  vi.useRealTimers();
});

/** Lets the newest socket end before a welcome, and the wait pass. */
async function fail(): Promise<void> {
  rig.socket.end(1006);
  await rig.comeBack();
}

/** Fails until the client takes the stream. */
async function fallBack(): Promise<FakeStream> {
  await rig.start();
  for (let i = 0; i < 3; i++) await fail();
  const stream = streams.at(-1);
  if (!stream) throw new Error("no stream was asked for");
  return stream;
}

async function liveOnStream(): Promise<FakeStream> {
  const stream = await fallBack();
  await stream.say(welcome());
  await stream.say({ t: "live", sid: 1, epoch: "e1", shape: "s1", q: 100, resumed: false, rows: 0 });
  return stream;
}

describe("a client that is never welcomed", () => {
  test("takes an event stream after three sockets, with the token in a header", async () => {
    const stream = await fallBack();
    expect([rig.sockets.length, streams.length, rig.client.transport]).toEqual([3, 1, "sse"]);
    const url = new URL(stream.url);
    expect(url.href).toMatch(/^http:\/\/host\/v1\/stream\/sse\?/);
    expect(JSON.parse(url.searchParams.get("sub") ?? "")).toMatchObject({ sid: 1, topic: "shipments" });
    expect(new Headers(stream.init.headers).get("authorization")).toBe("Bearer token-4");
    expect(stream.url).not.toContain("token");
  });

  test("takes turns while neither way works", async () => {
    refusal = () => new Response("", { status: 502 });
    await fallBack();
    await rig.comeBack();
    expect([rig.sockets.length, streams.length]).toEqual([4, 1]);
    await fail();
    await rig.comeBack();
    expect([rig.sockets.length, streams.length]).toEqual([5, 2]);
  });

  test("counts a socket that opens and then says nothing", async () => {
    await rig.start();
    for (let i = 0; i < 3; i++) {
      rig.socket.open();
      await vi.advanceTimersByTimeAsync(10_000);
      await rig.comeBack();
    }
    expect(streams).toHaveLength(1);
  });

  test("does not count what the server itself says: its word came through", async () => {
    await rig.start();
    for (let i = 0; i < 6; i++) {
      rig.socket.open();
      rig.socket.end(4006);
      await rig.comeBack();
    }
    expect([rig.sockets.length, streams.length]).toEqual([7, 0]);
  });

  test("does not believe a proxy that answers in the server's place", async () => {
    refusal = () => new Response("<h1>Forbidden</h1>", { status: 403, headers: { "content-type": "text/html" } });
    await fallBack();
    expect(rig.client.link).toBe("waiting");
    refusal = () => new Response("<h1>Welcome to this hotel</h1>", { headers: { "content-type": "text/html" } });
    await rig.comeBack();
    await fail();
    expect(rig.client.link).toBe("waiting");
  });

  test("takes the stream too where there is no WebSocket at all", async () => {
    rig = new Rig({ transports: ["websocket", "sse"], fetch, openSocket: () => { throw new ReferenceError("WebSocket is not defined"); } });
    await rig.start();
    await rig.comeBack();
    await rig.comeBack();
    await rig.comeBack();
    await streams.at(-1)?.say(welcome());
    expect([rig.client.link, streams.length]).toEqual(["open", 1]);
    await vi.advanceTimersByTimeAsync(35_000);
    expect([rig.client.link, streams.length]).toEqual(["open", 1]);
  });

  test("starts to count anew after a welcome", async () => {
    await rig.start();
    await fail();
    await fail();
    rig.welcome();
    rig.socket.end(1006);
    await rig.comeBack();
    await fail();
    await fail();
    expect([rig.sockets.length, streams.length]).toEqual([6, 0]);
  });
});

describe("a client on an event stream", () => {
  test("tries now and then whether a socket opens, ever more seldom, and leaves the stream only for one that does", async () => {
    await liveOnStream();
    const probes: number[] = [];
    const start = Date.now();
    for (let i = 0; i < 4; i++) {
      const before = rig.sockets.length;
      while (rig.sockets.length === before) {
        await streams.at(-1)?.say({ t: "hb", now: Date.now(), lag_ms: 0, q: { 1: 100 } });
        await vi.advanceTimersByTimeAsync(1_000);
      }
      probes.push(Math.round((Date.now() - start) / 1000));
      rig.socket.end(1006);
      await settle();
    }
    expect(probes.map((at, i) => at - (probes[i - 1] ?? 0))).toEqual([30, 60, 120, 240]);
    expect([rig.client.transport, streams.length, rig.client.state(rig.sub)]).toEqual(["sse", 1, "live"]);
  });

  test("goes on over a socket once one opens, from where it was", async () => {
    await liveOnStream();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(rig.sockets).toHaveLength(4);
    rig.socket.open();
    await settle();
    expect([rig.sockets[3]?.sent, rig.sockets[3]?.closed]).toEqual([[], true]);
    expect(rig.sockets).toHaveLength(5);
    expect(rig.welcome().subs[0]?.since).toEqual({ epoch: "e1", seq: 100, shape: "s1" });
    expect(rig.client.transport).toBe("websocket");
  });

  test("returns to the stream at once when that socket leads nowhere after all", async () => {
    await liveOnStream();
    await vi.advanceTimersByTimeAsync(30_000);
    rig.socket.open();
    await settle();
    rig.socket.open();
    rig.socket.end(1006);
    await rig.comeBack();
    expect([rig.client.transport, streams.length]).toEqual(["sse", 2]);
  });

  test("asks for everything anew, once, for all that is added at a time", async () => {
    await liveOnStream();
    rig.client.subscribe("orders");
    rig.client.subscribe("kpis");
    await settle();
    expect(streams).toHaveLength(2);
    const subs = new URL(streams[1]?.url ?? "").searchParams.getAll("sub").map((sub) => JSON.parse(sub) as object);
    expect(subs).toMatchObject([{ sid: 1, since: { seq: 100 } }, { sid: 2, topic: "orders" }, { sid: 3, topic: "kpis" }]);
    expect(streams[0]?.init.signal?.aborted).toBe(true);
  });

  test("comes back to the stream when that is cut off", async () => {
    const stream = await liveOnStream();
    await stream.end();
    await rig.comeBack();
    expect([rig.sockets.length, streams.length]).toEqual([3, 2]);
  });

  test("asks for no stream while there is nothing to ask for", async () => {
    rig.sub.close();
    await rig.start();
    for (let i = 0; i < 3; i++) await fail();
    expect(streams).toHaveLength(0);
    rig.client.subscribe("orders");
    await settle();
    expect(streams).toHaveLength(1);
  });
});
