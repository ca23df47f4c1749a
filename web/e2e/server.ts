// A stand-in for the gateway: serves dist under the real policy, and speaks
// track.v1 from a table in memory, with switches to break it on purpose.

import { readFileSync, existsSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer, type WebSocket } from "ws";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

/** The policy that the gateway sends with every page. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
};

type Kind = "shipment" | "order";

export interface WireRow {
  id: string;
  v: number;
  status: string;
  [field: string]: unknown;
}

interface Sub {
  sid: number;
  topic: string;
  q: number;
  statuses: Set<string>;
  ids: Set<string>;
}

/** Somebody on a socket or, for networks that let none through, on an event stream. */
interface Client {
  readonly subs: Map<number, Sub>;
  write(text: string): void;
  close(code: number): void;
  cut(): void;
}

interface SubMessage {
  sid: number;
  topic: string;
  filter: { v: string[] };
  since?: { epoch: string; seq: number; shape: string };
}

export class FakeServer {
  readonly tables: Record<string, Map<string, WireRow>> = { shipments: new Map(), orders: new Map() };
  readonly log: { topic: string; id: string; seq: number }[] = [];
  readonly received: Record<string, unknown>[] = [];
  readonly timelines = new Map<string, unknown[]>();
  readonly orderTimelines = new Map<string, unknown[]>();
  seq = 1000;
  hbMs = 20_000;
  dev = true;
  /** Refuses sockets while true, as a server that is gone. */
  down = false;
  /** Lets no socket through while true, as some proxies do. */
  proxied = false;
  /** How many snapshots were sent. */
  snapshots = 0;
  /** Says nothing any more on open sockets while true. */
  silent = false;
  tokens = 0;
  /** When a timeline was asked for last. */
  askedAt = 0;
  readonly #clients = new Set<Client>();
  readonly #http = createServer((req, res) => this.#serve(req, res));
  readonly #ws = new WebSocketServer({ noServer: true, handleProtocols: () => "track.v1.json" });

  constructor() {
    this.#http.on("upgrade", (req, socket, head) => {
      if (this.down || this.proxied || req.url !== "/v1/live") return socket.destroy();
      this.#ws.handleUpgrade(req, socket, head, (ws) => this.#accept(ws));
    });
  }

  /** Takes connections, at the port that it had before if that is given. */
  async listen(port = 0): Promise<string> {
    await new Promise<void>((done) => this.#http.listen(port, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.cut();
    this.#http.closeAllConnections();
    await new Promise((done) => this.#http.close(done));
  }

  /** Puts or, with null, removes a row, and tells every subscription. */
  change(topic: string, id: string, row: WireRow | null): void {
    const table = this.tables[topic];
    if (!table) throw new Error(`no topic ${topic}`);
    this.seq++;
    this.log.push({ topic, id, seq: this.seq });
    if (row) table.set(id, row);
    else table.delete(id);
    for (const client of this.#clients) for (const sub of client.subs.values()) this.#catchUp(client, sub);
  }

  /** Ends all sockets, with a close code or like a cut cable. */
  cut(code?: number): void {
    for (const client of this.#clients) {
      if (code === undefined) client.cut();
      else client.close(code);
    }
  }

  /** Sends a frame to every client as it is. */
  say(frame: object): void {
    for (const client of this.#clients) this.#send(client, frame);
  }

  #send(client: Client, ...frames: object[]): void {
    if (!this.silent) client.write(frames.map((f) => JSON.stringify(f)).join("\n"));
  }

  #accept(socket: WebSocket): void {
    const client: Client = {
      subs: new Map(), write: (text) => socket.send(text), close: (code) => socket.close(code), cut: () => socket.terminate(),
    };
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    socket.on("message", (data) => this.#command(client, JSON.parse(String(data)) as Record<string, unknown>));
  }

  #stream(req: IncomingMessage, res: ServerResponse): void {
    if (this.down) return void res.destroy();
    const client: Client = {
      subs: new Map(), cut: () => res.destroy(),
      write: (text) => { res.write(`${text.split("\n").map((line) => `data: ${line}`).join("\n")}\n\n`); },
      close: (code) => { res.end(`event: close\ndata: ${JSON.stringify({ code })}\n\n`); },
    };
    this.#clients.add(client);
    res.on("close", () => this.#clients.delete(client));
    res.writeHead(200, { "content-type": "text/event-stream" });
    const subs = new URL(req.url ?? "/", "http://x").searchParams.getAll("sub").map((sub) => JSON.parse(sub) as SubMessage);
    this.received.push({ t: "stream", authorization: req.headers.authorization });
    this.#welcome(client, subs);
  }

  #welcome(client: Client, subs: readonly SubMessage[]): void {
    this.#send(client, {
      t: "welcome", conn: "c-1", hb_ms: this.hbMs, exp_ms: 540_000, reconnect: { base_ms: 200, max_ms: 2000 },
      limits: { subs: 16, rows: 5000 }, now: Date.now(),
    });
    for (const sub of subs) this.#subscribe(client, sub);
  }

  #command(client: Client, message: Record<string, unknown>): void {
    this.received.push(message);
    if (message["t"] === "hello") this.#welcome(client, message["subs"] as SubMessage[]);
    if (message["t"] === "sub") this.#subscribe(client, message as unknown as SubMessage);
    if (message["t"] === "unsub") client.subs.delete(message["sid"] as number);
  }

  #subscribe(client: Client, message: SubMessage): void {
    const { sid, topic, since } = message;
    const sub: Sub = { sid, topic, q: this.seq, statuses: new Set(message.filter.v), ids: new Set() };
    client.subs.set(sid, sub);
    const rows = [...(this.tables[topic]?.values() ?? [])].filter((row) => sub.statuses.has(row.status));
    sub.ids = new Set(rows.map((row) => row.id));
    const live = { t: "live", sid, epoch: "e1", shape: `shape-${topic}`, q: since?.seq ?? this.seq, resumed: since !== undefined };
    if (since) {
      this.#send(client, live);
      sub.q = since.seq;
      this.#catchUp(client, sub);
      return;
    }
    this.snapshots++;
    const half = Math.ceil(rows.length / 2);
    this.#send(client, { t: "snap", sid, epoch: "e1", page: 1, rows: rows.slice(0, half), more: true });
    this.#send(client, { t: "snap", sid, epoch: "e1", page: 2, rows: rows.slice(half), more: false }, { ...live, rows: rows.length });
  }

  #catchUp(client: Client, sub: Sub): void {
    if (this.silent || sub.q === this.seq) return;
    const changed = new Set(this.log.filter((c) => c.topic === sub.topic && c.seq > sub.q).map((c) => c.id));
    const u: WireRow[] = [];
    const r: string[] = [];
    for (const id of changed) {
      const row = this.tables[sub.topic]?.get(id);
      if (row && sub.statuses.has(row.status)) u.push(row);
      else r.push(id);
    }
    this.#send(client, { t: "d", sid: sub.sid, p: sub.q, q: this.seq, ts: Date.now(), u, r, n: u.length + r.length });
    sub.q = this.seq;
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    const path = new URL(req.url ?? "/", "http://x").pathname;
    if (path === "/v1/stream/sse") return this.#stream(req, res);
    if (path === "/dev/token") return this.#token(req, res);
    const timeline = /^\/v1\/(shipment|order)s\/([^/]+)\/timeline$/.exec(path);
    if (timeline) return this.#timeline(timeline[1] as Kind, decodeURIComponent(timeline[2] ?? ""), req, res);
    const file = join(dist, normalize(path === "/" ? "/index.html" : path));
    if (!file.startsWith(dist) || !existsSync(file) || !statSync(file).isFile()) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "content-security-policy": policy, "x-content-type-options": "nosniff" });
    res.end(readFileSync(file));
  }

  #token(req: IncomingMessage, res: ServerResponse): void {
    if (!this.dev) return void res.writeHead(404).end();
    if (this.down || req.method !== "POST") return void res.writeHead(503).end();
    this.tokens++;
    json(res, 200, { token: `dev-${this.tokens}`, tenant: "demo", expires_at: new Date(Date.now() + 600_000).toISOString() });
  }

  #timeline(kind: Kind, id: string, req: IncomingMessage, res: ServerResponse): void {
    this.askedAt = Date.now();
    if (!req.headers.authorization?.startsWith("Bearer ")) return json(res, 401, { code: "invalid_token", title: "Unauthorized", detail: "The token is missing.", status: 401 });
    const row = this.tables[`${kind}s`]?.get(id);
    if (!row) return json(res, 404, { code: "not_found", title: "Not Found", detail: `There is no such ${kind}.`, status: 404 });
    const entries = (kind === "order" ? this.orderTimelines : this.timelines).get(id) ?? [];
    json(res, 200, { [kind]: row, entries, next: "" });
  }
}

function json(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" });
  res.end(JSON.stringify(body));
}
