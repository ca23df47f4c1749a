// A server of track.v1 on real sockets that keeps its promises until it is told
// to break them. It holds every message of a client against schemas/ws.

import { readFileSync, readdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import Ajv2020 from "ajv/dist/2020.js";
import { WebSocketServer, type WebSocket } from "ws";
import type { Position, SubRequest } from "../src/frames.ts";

const schemas = fileURLToPath(new URL("../../../schemas/ws", import.meta.url));

/** Tells what is wrong with a frame of a client, by its schema. */
function validator(): (frame: unknown) => string {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  for (const file of readdirSync(schemas)) ajv.addSchema(JSON.parse(readFileSync(`${schemas}/${file}`, "utf8")) as object);
  const kinds = readdirSync(schemas).map((file) => file.replace(".json", ""));
  return (frame) => {
    const kind = String((frame as { t?: unknown }).t);
    if (!kinds.includes(kind)) return `unknown frame ${JSON.stringify(frame)}`;
    const valid = ajv.getSchema(`https://github.com/waybill-io/waybill/schemas/ws/${kind}.json`);
    return valid?.(frame) ? "" : `${JSON.stringify(frame)}: ${ajv.errorsText(valid?.errors)}`;
  };
}

export interface WireRow {
  readonly id: string;
  readonly v: number;
  readonly status: string;
}

type Rows = ReadonlyMap<string, WireRow>;

/** A subscription as the server has it. */
export interface Held {
  readonly sid: number;
  readonly topic: string;
  readonly statuses: ReadonlySet<string> | null;
  q: number;
}

/** A client as the server has it. */
export interface Peer {
  readonly way: "websocket" | "sse";
  readonly subs: Map<number, Held>;
  token: string;
  /** Puts text on the wire as one message. */
  write(text: string): void;
  /** Writes a part of a message, then cuts the line. */
  tear(text: string): void;
  end(code: number, reason?: string): void;
  cut(): void;
}

export class Hostile {
  readonly received: Record<string, unknown>[] = [];
  /** What was wrong with messages of clients. */
  readonly violations: string[] = [];
  readonly peers = new Set<Peer>();
  handshakes = 0;
  streams = 0;
  snapshots = 0;
  seq = 100;
  epoch = "e1";
  /** Positions before this one cannot be resumed. */
  low = 0;
  hbMs = 20_000;
  pageSize = 3;
  reconnect = { base_ms: 4, max_ms: 40 };
  /** Says what to answer a handshake with instead of a socket. */
  refuse: (path: string) => number = () => 0;
  /** Says which tokens are good. */
  accepts: (token: string) => boolean = () => true;
  /** Stands between the server and the wire; a message that it does not write is lost. */
  mischief: (peer: Peer, text: string) => void = (peer, text) => peer.write(text);
  readonly #topics = new Map<string, { rows: Map<string, WireRow>; past: Map<number, Rows>; log: { id: string; seq: number }[] }>();
  readonly #check = validator();
  readonly #http = createServer((req, res) => this.#stream(req, res));
  readonly #ws = new WebSocketServer({ noServer: true, handleProtocols: () => "track.v1.json" });
  #beat: ReturnType<typeof setInterval> | undefined;

  async listen(): Promise<string> {
    this.#http.on("upgrade", (req, socket, head) => this.#upgrade(req, socket, head));
    await new Promise<void>((done) => this.#http.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    for (const peer of this.peers) peer.cut();
    this.#http.closeAllConnections();
    await new Promise((done) => this.#http.close(done));
  }

  /** Begins to send heartbeats, several in the time that is promised. */
  beat(hbMs: number): void {
    this.hbMs = hbMs;
    this.#beat = setInterval(() => { for (const peer of this.peers) this.heartbeat(peer); }, hbMs / 4);
  }

  heartbeat(peer: Peer, off = 0): void {
    const q = Object.fromEntries([...peer.subs.values()].map((sub) => [sub.sid, sub.q + off]));
    this.say(peer, { t: "hb", now: Date.now(), lag_ms: 0, q, quarantined: 0 });
  }

  say(peer: Peer, ...frames: object[]): void {
    this.mischief(peer, frames.map((frame) => JSON.stringify(frame)).join("\n"));
  }

  sayAll(...frames: object[]): void {
    for (const peer of this.peers) this.say(peer, ...frames);
  }

  get peer(): Peer {
    const [peer] = this.peers;
    if (!peer) throw new Error("nobody is connected");
    return peer;
  }

  /** The newest subscription to a topic. */
  sub(topic = "shipments"): Held {
    const sub = [...this.peer.subs.values()].findLast((s) => s.topic === topic);
    if (!sub) throw new Error(`nobody subscribed to ${topic}`);
    return sub;
  }

  /** Puts or, with null, removes a row; who follows the topic is told, unless it is to wait. */
  change(topic: string, id: string, status: string | null, tell = true): void {
    const { rows, past, log } = this.#topic(topic);
    this.seq++;
    if (status === null) rows.delete(id);
    else rows.set(id, { id, v: this.seq, status });
    log.push({ id, seq: this.seq });
    past.set(this.seq, new Map(rows));
    if (tell) this.tell();
  }

  /** Tells every subscription what it has not been told. */
  tell(): void {
    for (const peer of this.peers) for (const sub of peer.subs.values()) this.#catchUp(peer, sub);
  }

  /** What matches as of a position, sorted; as the client's map must be there. */
  at(topic: string, seq: number, statuses: ReadonlySet<string> | null = null): string[] {
    const { past } = this.#topic(topic);
    const known = [...past.keys()].filter((s) => s <= seq);
    const rows = past.get(Math.max(...known)) ?? new Map<string, WireRow>();
    return [...rows.values()].filter((row) => !statuses || statuses.has(row.status)).map(words).sort();
  }

  /** Starts a subscription over, as for whoever was slow. */
  reset(peer: Peer, sub: Held, code: string): void {
    this.say(peer, { t: "reset", sid: sub.sid, code, retry_ms: 0 });
    this.#snapshot(peer, sub);
  }

  /** A numbering of its own, as after a restore. */
  rebuild(): void {
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
    for (const peer of this.peers) for (const sub of peer.subs.values()) this.reset(peer, sub, "epoch");
  }

  #topic(name: string) {
    let topic = this.#topics.get(name);
    if (!topic) this.#topics.set(name, topic = { rows: new Map(), past: new Map([[0, new Map()]]), log: [] });
    return topic;
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.handshakes++;
    const status = this.refuse("/v1/live");
    if (req.url !== "/v1/live" || status !== 0) {
      socket.end(`HTTP/1.1 ${status || 404} Refused\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.#ws.handleUpgrade(req, socket, head, (ws) => this.#accept(ws, socket));
  }

  #accept(ws: WebSocket, line: Duplex): void {
    const peer: Peer = {
      way: "websocket", subs: new Map(), token: "",
      write: (text) => ws.send(text),
      tear: (text) => {
        const frame = unmasked(text);
        line.write(frame.subarray(0, Math.ceil(frame.length / 2)), () => line.destroy());
      },
      end: (code, reason = "") => ws.close(code, reason),
      cut: () => line.destroy(),
    };
    this.peers.add(peer);
    ws.on("error", () => {});
    ws.on("close", () => this.peers.delete(peer));
    ws.on("message", (data) => {
      for (const line of String(data).split("\n")) this.#command(peer, JSON.parse(line) as Record<string, unknown>);
    });
  }

  #stream(req: IncomingMessage, res: ServerResponse): void {
    this.streams++;
    const url = new URL(req.url ?? "/", "http://x");
    const status = this.refuse("/v1/stream/sse");
    const token = req.headers.authorization?.replace("Bearer ", "") ?? "";
    if (status !== 0) return problem(res, status, "refused");
    if (!this.accepts(token)) return problem(res, 401, "invalid_token");
    if (req.method === "POST") {
      let body = "";
      req.on("data", (part) => { body += String(part); });
      req.on("end", () => this.#follow(res, token, (JSON.parse(body) as { subs: SubRequest[] }).subs));
    } else {
      this.#follow(res, token, url.searchParams.getAll("sub").map((sub) => JSON.parse(sub) as SubRequest));
    }
  }

  #follow(res: ServerResponse, token: string, subs: readonly SubRequest[]): void {
    const event = (text: string) => `id: 1\n${text.split("\n").map((line) => `data: ${line}`).join("\n")}\n\n`;
    res.writeHead(200, { "content-type": "text/event-stream" });
    const peer: Peer = {
      way: "sse", subs: new Map(), token,
      write: (text) => { if (!res.writableEnded) res.write(event(text)); },
      tear: (text) => { if (!res.writableEnded) res.write(event(text).slice(0, text.length / 2), () => res.destroy()); },
      end: (code, reason = "") => { if (!res.writableEnded) res.end(`event: close\ndata: ${JSON.stringify({ code, reason, reconnect: code < 4500 })}\n\n`); },
      cut: () => res.destroy(),
    };
    this.peers.add(peer);
    res.on("close", () => this.peers.delete(peer));
    this.received.push({ t: "stream", token, subs });
    for (const sub of subs) this.#hold({ t: "sub", ...sub });
    this.#welcome(peer, subs);
  }

  #command(peer: Peer, message: Record<string, unknown>): void {
    this.#hold(message);
    this.received.push(message);
    switch (message["t"]) {
      case "hello": return this.#hello(peer, message as { token: string; subs: SubRequest[] });
      case "sub": return this.#subscribe(peer, message as unknown as SubRequest);
      case "unsub": return void peer.subs.delete(message["sid"] as number);
      case "auth": return this.#authorize(peer, message["token"] as string);
    }
  }

  #hold(message: Record<string, unknown>): void {
    const wrong = this.#check(message);
    if (wrong !== "") this.violations.push(wrong);
  }

  #hello(peer: Peer, hello: { token: string; subs: readonly SubRequest[] }): void {
    peer.token = hello.token;
    if (this.accepts(hello.token)) this.#welcome(peer, hello.subs);
    else peer.end(4501);
  }

  #authorize(peer: Peer, token: string): void {
    peer.token = token;
    if (!this.accepts(token)) this.say(peer, { t: "err", code: "unauthenticated", msg: "the token was not accepted", retry_ms: 0 });
  }

  #welcome(peer: Peer, subs: readonly SubRequest[]): void {
    this.say(peer, {
      t: "welcome", conn: "c-1", hb_ms: this.hbMs, exp_ms: 540_000, reconnect: this.reconnect, limits: { subs: 16, rows: 5000 }, now: Date.now(),
    });
    for (const sub of subs) this.#subscribe(peer, sub);
  }

  #subscribe(peer: Peer, { sid, topic, filter, since }: SubRequest): void {
    const v = filter && "v" in filter && Array.isArray(filter.v) ? (filter.v as readonly string[]) : null;
    const sub: Held = { sid, topic, statuses: v && new Set(v), q: this.seq };
    peer.subs.set(sid, sub);
    if (!since) return this.#snapshot(peer, sub);
    const code = this.#refusal(sub, since);
    if (code) return this.reset(peer, sub, code);
    sub.q = since.seq;
    this.say(peer, { t: "live", sid, epoch: this.epoch, shape: shape(sub), q: since.seq, resumed: true });
    this.#catchUp(peer, sub);
  }

  #refusal(sub: Held, since: Position): string {
    if (since.epoch !== this.epoch) return "epoch";
    if (since.shape !== shape(sub)) return "filter";
    return since.seq < this.low || since.seq > this.seq ? "history" : "";
  }

  #snapshot(peer: Peer, sub: Held): void {
    this.snapshots++;
    const { sid } = sub;
    const rows = this.#matching(sub);
    for (let page = 1, at = 0; page === 1 || at < rows.length; page++, at += this.pageSize) {
      this.say(peer, { t: "snap", sid, epoch: this.epoch, page, rows: rows.slice(at, at + this.pageSize), more: at + this.pageSize < rows.length });
    }
    sub.q = this.seq;
    this.say(peer, { t: "live", sid, epoch: this.epoch, shape: shape(sub), q: this.seq, resumed: false, rows: rows.length });
  }

  #matching(sub: Held): WireRow[] {
    return [...this.#topic(sub.topic).rows.values()].filter((row) => !sub.statuses || sub.statuses.has(row.status));
  }

  #catchUp(peer: Peer, sub: Held): void {
    if (sub.q === this.seq) return;
    const { log } = this.#topic(sub.topic);
    const changed = new Set(log.filter((c) => c.seq > sub.q).map((c) => c.id));
    const u = this.#matching(sub).filter((row) => changed.has(row.id));
    const r = [...changed].filter((id) => !u.some((row) => row.id === id));
    const frame = { t: "d", sid: sub.sid, p: sub.q, q: this.seq, ts: Date.now(), u, r, n: changed.size };
    sub.q = this.seq;
    this.say(peer, frame);
  }
}

/** A row as one word that tells it from every other. */
export function words(row: WireRow): string {
  return `${row.id} ${row.status} ${row.v}`;
}

function shape(sub: Held): string {
  return `${sub.topic} ${[...(sub.statuses ?? [])].join(",")}`;
}

/** The bytes of a text message as a server sends it. */
function unmasked(text: string): Buffer {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([0x81, body.length]) : Buffer.from([0x81, 126, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, body]);
}

function problem(res: ServerResponse, status: number, code: string): void {
  res.writeHead(status, { "content-type": "application/problem+json", ...(status === 503 && { "retry-after": "1" }) });
  res.end(JSON.stringify({ title: code, code, status, detail: `the answer is ${status}` }));
}
