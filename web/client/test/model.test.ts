// Random changes and random faults, from a seed: whatever happens, the client
// ends with the server's rows, and never said anything on the way that was not so.

import type { Client, TransportName } from "@waybill-io/client";
import { afterEach, describe, expect, test } from "vitest";
import { Hostile, type Peer } from "./hostile.ts";
import { connect, rowsOf, settled, Watch } from "./real.ts";
import { seeded } from "./seeded.ts";

const statuses = ["created", "in_transit", "lost", "delivered"];
const open = new Set(["created", "in_transit"]);
const hbMs = 300;

/** What goes wrong: each breaks the next thing that it can, once. */
class Mischief {
  readonly done = new Map<string, number>();
  #held = "";
  #replay: string[] = [];
  #next: ((peer: Peer, text: string) => void) | null = null;

  constructor(private readonly server: Hostile, private readonly random: () => number) {
    server.mischief = (peer, text) => this.#write(peer, text);
  }

  /** Breaks nothing any more. */
  end(): void {
    this.server.mischief = (peer, text) => peer.write(text);
    this.server.refuse = () => 0;
  }

  /** Does one bad thing, or arranges for it. */
  something(): void {
    const kinds = Object.keys(this.#faults) as (keyof Mischief["faults"])[];
    const kind = kinds[Math.floor(this.random() * kinds.length)] ?? "drop";
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
    const [peer] = this.server.peers;
    this.#faults[kind]?.(peer);
  }

  get faults() {
    return this.#faults;
  }

  readonly #faults: Record<string, (peer: Peer | undefined) => void> = {
    drop: () => { this.#next = () => {}; },
    twice: () => { this.#next = (peer, text) => { peer.write(text); peer.write(text); }; },
    swap: () => { this.#next = (_, text) => { this.#held = text; }; },
    tear: () => { this.#next = (peer, text) => peer.tear(text); },
    cut: (peer) => peer?.cut(),
    cutNext: () => { this.#next = (peer) => peer.cut(); },
    close: (peer) => peer?.end([1001, 1012, 4001, 4002, 4003, 4004, 4005, 4006, 4007][Math.floor(this.random() * 9)] ?? 4001),
    replay: (peer) => { for (const text of this.#replay.slice(-4)) peer?.write(text); },
    garbage: (peer) => peer?.write('{"t":"d","sid":1,"p":'),
    unknown: (peer) => peer?.write('{"t":"weather","sid":1,"sun":true}'),
    heartbeat: (peer) => { if (peer) this.server.heartbeat(peer, Math.floor(this.random() * 7) - 3); },
    goaway: (peer) => { if (peer) this.server.say(peer, { t: "goaway", code: "deploy", reconnect_in_ms: Math.floor(this.random() * 40) }); },
    authreq: (peer) => { if (peer) this.server.say(peer, { t: "authreq", within_ms: 25_000 }); },
    refuse: (peer) => { peer?.cut(); let left = 1 + Math.floor(this.random() * 3); this.server.refuse = () => (left-- > 0 ? 502 : 0); },
    history: () => { this.server.low = this.server.seq; },
    rebuild: () => this.server.rebuild(),
    reset: (peer) => this.#resetOne(peer, "slow"),
    authz: (peer) => this.#resetOne(peer, "authz"),
    overloaded: (peer) => { for (const sub of peer?.subs.values() ?? []) this.server.say(peer as Peer, { t: "err", sid: sub.sid, code: "overloaded", msg: "", retry_ms: 5 }); },
  };

  #resetOne(peer: Peer | undefined, code: string): void {
    const subs = [...(peer?.subs.values() ?? [])];
    const sub = subs[Math.floor(this.random() * subs.length)];
    if (peer && sub) this.server.reset(peer, sub, code);
  }

  // Whoever was never welcomed waits for ten seconds, which is of another test.
  #write(peer: Peer, text: string): void {
    if (/"t":"(snap|live|d)"/.test(text)) this.#replay.push(text);
    const next = this.#next;
    const mine = next !== null && !/"t":"welcome"/.test(text);
    if (mine) this.#next = null;
    if (mine) next(peer, text);
    else peer.write(text);
    if (this.#held !== "" && this.#held !== text) {
      peer.write(this.#held);
      this.#held = "";
    }
  }
}

let clients: Client[] = [];
let servers: Hostile[] = [];

afterEach(async () => {
  for (const client of clients) client.stop();
  for (const server of servers) await server.close();
  clients = [];
  servers = [];
});

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

async function run(seed: number, way: TransportName, steps: number) {
  const random = seeded(seed);
  const server = new Hostile();
  servers.push(server);
  const url = await server.listen();
  const change = (tell = true) => {
    const topic = random() < 0.7 ? "shipments" : "orders";
    const status = random() < 0.15 ? null : (statuses[Math.floor(random() * statuses.length)] ?? null);
    server.change(topic, `${topic}-${Math.floor(random() * 25)}`, status, tell);
  };
  for (let i = 0; i < 30; i++) change();
  const mischief = new Mischief(server, random);
  const client = connect(url, { transports: [way], random });
  clients.push(client);
  const filter = { f: "status", op: "in", v: [...open] } as const;
  const all = client.subscribe("orders");
  const some = client.subscribe("shipments", { filter });
  const watches = [new Watch(all, server), new Watch(some, server, open)];
  const dials: number[] = [];
  client.listen((event) => { if (event.type === "link" && event.link === "connecting") dials.push(Date.now()); });
  server.beat(hbMs);
  client.start();

  for (let step = 0; step < steps; step++) {
    change(random() < 0.8);
    if (random() < 0.2) mischief.something();
    if (random() < 0.5) await pause(Math.floor(random() * 8));
  }
  server.mischief = () => {}; // the last of all changes is lost, and nothing follows it but heartbeats
  change();
  mischief.end();
  const quiet = () => settled(client, all, server) && settled(client, some, server);
  const facts = () => [client.link, client.why, server.seq, server.epoch, ...[all, some].flatMap((sub) => [sub.phase, JSON.stringify(sub.position)])].join(" · ");
  await expect.poll(() => quiet() || facts(), { timeout: 30_000, interval: 10 }).toBe(true);
  return { server, client, all, some, watches, dials, mischief };
}

describe.each<[TransportName, number, number]>([
  ["websocket", 1, 400], ["websocket", 2, 400], ["websocket", 3, 400], ["sse", 4, 250],
])("over %s, with seed %i", (way, seed, steps) => {
  test("the client ends with the server's rows, and every break was announced", { timeout: 90_000 }, async () => {
    const { server, all, some, watches, dials, mischief } = await run(seed, way, steps);
    expect(rowsOf(all)).toEqual(server.at("orders", server.seq));
    expect(rowsOf(some)).toEqual(server.at("shipments", server.seq, open));
    expect(watches.flatMap((watch) => watch.broken)).toEqual([]);
    expect(server.violations).toEqual([]);
    expect([...mischief.done.values()].reduce((a, b) => a + b)).toBeGreaterThan(steps / 10);
    const faults = [...mischief.done.values()].reduce((a, b) => a + b);
    expect(dials.length, "connections for each fault").toBeLessThan(3 * faults);
  });
});
