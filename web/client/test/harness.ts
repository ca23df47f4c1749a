// A connection on sockets that the test holds both ends of.

import { vi } from "vitest";
import {
  Client, openShipments, SignInRequired,
  type ClientEvent, type Options, type Row, type Shipment, type Socket, type Subscription, type SubscriptionEvent,
} from "@waybill-io/client";
import type { Position, SubRequest } from "../src/frames.ts";

export type Sent = { t: string; sid: number; token: string; since?: Position; subs: SubRequest[]; [key: string]: unknown };

export class FakeSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly sent: Sent[] = [];
  closed = false;

  constructor(readonly url: string, readonly protocol: string) {}

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Sent);
  }

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.(new Event("open"));
  }

  /** One message of one or more frames, as a server sends it. */
  say(...frames: object[]): void {
    this.text(frames.map((f) => JSON.stringify(f)).join("\n"));
  }

  text(data: unknown): void {
    this.onmessage?.({ data });
  }

  end(code: number, reason = ""): void {
    this.closed = true;
    this.onclose?.({ code, reason });
  }

  last(kind: string): Sent | undefined {
    return this.sent.findLast((m) => m.t === kind);
  }

  count(kind: string): number {
    return this.sent.filter((m) => m.t === kind).length;
  }
}

export class Rig {
  readonly sockets: FakeSocket[] = [];
  readonly tokens = {
    issued: 0, rejected: 0, manual: false, needsPerson: false, unreachable: false,
    fresh: async () => {
      if (this.tokens.unreachable) throw new TypeError("no network");
      if (this.tokens.needsPerson) throw new SignInRequired("a token is needed");
      return `token-${++this.tokens.issued}`;
    },
    reject: () => { this.tokens.rejected++; },
  };
  random = 1 - Number.EPSILON;
  /** What was heard of the client, and of the subscription. */
  readonly heard: ClientEvent[] = [];
  readonly said: SubscriptionEvent<Shipment>[] = [];
  readonly client: Client;
  readonly sub: Subscription<Shipment>;

  constructor(more: Partial<Options> = {}) {
    this.client = new Client({
      url: "http://host", name: "dash/test", token: this.tokens, transports: ["websocket"], random: () => this.random,
      openSocket: (url, protocol) => this.#open(url, protocol), ...more,
    });
    this.sub = this.client.subscribe("shipments", { filter: { f: "status", op: "in", v: openShipments } });
    this.client.listen((event) => this.heard.push(event));
    this.sub.listen((event) => this.said.push(event));
  }

  #open(url: string, protocol: string): FakeSocket {
    const socket = new FakeSocket(url, protocol);
    this.sockets.push(socket);
    return socket;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  /** The rows as "id status", sorted. */
  get rows(): string[] {
    return [...this.sub.rows.values()].map((r) => `${r.id} ${r.status}`).sort();
  }

  async start(): Promise<void> {
    this.client.start();
    await settle();
  }

  /** Opens the newest socket and greets it. */
  welcome(more: object = {}): Sent {
    this.socket.open();
    this.socket.say(welcome(more));
    const hello = this.socket.last("hello");
    if (!hello) throw new Error("no hello was sent");
    return hello;
  }

  /** Lets the wait for the next try pass. */
  async comeBack(): Promise<void> {
    await vi.advanceTimersByTimeAsync(this.client.retryAt - Date.now());
  }

  /** Starts, with a snapshot of these rows, live at position q. */
  async live(q = 100, ...rows: object[]): Promise<void> {
    await this.start();
    this.welcome();
    this.snapshot(q, ...rows);
  }

  /** The id that the newest request gave the subscription. */
  get sid(): number {
    const last = this.socket.last("sub") ?? this.socket.last("hello")?.subs[0];
    return last?.sid ?? 0;
  }

  snapshot(q: number, ...rows: object[]): void {
    const { sid } = this;
    this.socket.say({ t: "snap", sid, epoch: "e1", page: 1, rows, more: false });
    this.socket.say({ t: "live", sid, epoch: "e1", shape: "s1", q, resumed: false, rows: rows.length });
  }

  delta(p: number, q: number, u: object[] = [], r: string[] = []): object {
    return { t: "d", sid: this.sid, p, q, u, r, n: u.length + r.length };
  }
}

export function welcome(more: object = {}): object {
  return {
    t: "welcome", conn: "c-1", hb_ms: 20_000, exp_ms: 540_000, reconnect: { base_ms: 500, max_ms: 20_000 },
    limits: { subs: 16, rows: 5000 }, now: Date.now(), ...more,
  };
}

export function row(id: string, status = "in_transit", more: object = {}): Row & Record<string, unknown> {
  return { id, v: 1, status, ...more };
}

/** Lets what was promised happen, without letting time pass. */
export function settle(): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(0);
}
