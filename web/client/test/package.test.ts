// What is published: built, packed, and used as somebody else would.

import { execFile, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";

const folder = fileURLToPath(new URL("..", import.meta.url));
const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
const tsc = join(modules, ".bin/tsc");

const use = `
import { Client, isStale, type Entry, type Shipment } from "@waybill-io/client";

const client = new Client({ url: "https://track.example.com", token: async () => "secret" });
const lost = client.subscribe("shipments", { filter: { f: "status", op: "in", v: ["lost", "destroyed"] } });
const rows: ReadonlyMap<string, Shipment> = lost.rows;
const late = { and: [{ f: "late", op: "eq", v: true }, { not: { or: [{ f: "eta", op: "range", v: { lt: "2026-03-01T18:00:00Z" } }] } }] } as const;
client.subscribe("shipments", { filter: late, maxHz: 2 });
client.subscribe("shipments", { filter: { f: "pos", op: "bbox", v: [-10, 35, 30, 60] } });
const timeline = client.subscribe("timeline", { filter: { f: "order", op: "eq", v: "O-5" } });
timeline.listen((event) => {
  if (event.type === "change") console.log(event.put.map((entry: Entry) => entry.occurredAt));
});
const counts = client.subscribe("kpis");
for (const count of counts.rows.values()) {
  if (count.topic === "orders") client.subscribe(count.topic, { filter: count.filter });
  else client.subscribe(count.topic, { filter: count.filter });
}
// @ts-expect-error A timeline must be told of what.
client.subscribe("timeline");
// @ts-expect-error Orders have no carrier.
client.subscribe("orders", { filter: { f: "carrier", op: "eq", v: "UPS" } });
// @ts-expect-error A range has one lower bound.
client.subscribe("shipments", { filter: { f: "parcels", op: "range", v: { gt: 1, gte: 2 } } });
// @ts-expect-error A flag is no text.
client.subscribe("shipments", { filter: { f: "late", op: "eq", v: "yes" } });
console.log(rows.size, isStale(client.state(lost)), client.state(timeline));
`;

const onSockets = `
import { Client, type OpenSocket, type Socket } from "@waybill-io/client";
import WebSocket from "ws";

const openSocket: OpenSocket = (url, protocol) => new WebSocket(url, protocol);
new Client({ url: "https://track.example.com", token: () => "secret", openSocket });
new Client({ url: "https://track.example.com", token: () => "secret", openSocket: (url, protocol) => new WebSocket(url, protocol) });
// @ts-expect-error What cannot send is no socket.
const mute: Socket = { onopen: null, onmessage: null, onclose: null, onerror: null, close: () => {} };
// @ts-expect-error A close has a code.
const closed: Socket["onclose"] = (event: { readonly codes: number }) => console.log(event.codes);
console.log(mute, closed);
`;

const onGlobalSockets = `
import { Client, type Socket } from "@waybill-io/client";

const socket: Socket = new WebSocket("wss://track.example.com");
new Client({ url: "https://track.example.com", token: () => "secret", openSocket: (url, protocol) => new WebSocket(url, protocol) });
socket.close();
`;

/** Follows a server, stops as it is told, and must then end by itself. */
const follow = `
import { Client } from "@waybill-io/client";
import WebSocket from "ws";

const [url, transport, stopAt] = process.argv.slice(2);
const client = new Client({ url, token: () => "secret", transports: [transport], openSocket: (url, protocol) => new WebSocket(url, protocol) });
client.subscribe("shipments");
client.listen(() => { if (client.link === stopAt) client.stop(); });
client.start();
process.on("exit", () => console.log(client.link, client.error?.code ?? 0));
`;

let home: string;
let packed: { filename: string; files: { path: string }[]; unpackedSize: number };

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "waybill-client-"));
  const [first] = JSON.parse(run("npm", "pack", folder, "--json", "--pack-destination", home).replace(/^[^[]*/, "")) as [typeof packed];
  packed = first;
  const module = join(home, "node_modules/@waybill-io/client");
  mkdirSync(module, { recursive: true });
  run("tar", "-xzf", packed.filename, "-C", module, "--strip-components=1");
  for (const name of ["ws", "@types"]) symlinkSync(join(modules, name), join(home, "node_modules", name));
  writeFileSync(join(home, "package.json"), '{"type":"module","private":true}');
  for (const [name, text] of Object.entries({ "use.ts": use, "onsockets.ts": onSockets, "onglobal.ts": onGlobalSockets, "follow.js": follow })) {
    writeFileSync(join(home, name), text);
  }
}, 120_000);

afterAll(() => rmSync(home, { recursive: true }));

function run(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { cwd: home, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (err) {
    const { stdout, stderr } = err as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`);
  }
}

const strict = ["--strict", "--target", "ES2023", "--module", "NodeNext"];
const browser = [...strict, "--lib", "ES2023,DOM,DOM.Iterable", "--types", ""];

test("the package has what it needs and no more, for a program in TypeScript and for one that is not built", { timeout: 120_000 }, () => {
  const files = packed.files.map((file) => file.path);
  expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json", "dist/index.js", "dist/index.d.ts"]));
  expect(files.filter((file) => !/^(LICENSE|README\.md|package\.json|dist\/\w+(\.d\.ts|\.js))$/.test(file))).toEqual([]);
  expect(packed.unpackedSize).toBeLessThan(150_000);
  run(tsc, "--noEmit", ...browser, "use.ts");
  run(tsc, "--noEmit", ...browser, "--module", "ESNext", "--moduleResolution", "bundler", "use.ts");
  run(tsc, ...browser, "use.ts");
  expect(run(process.execPath, "use.js")).toBe("0 false connecting\n");
});

test("a socket is the browser's or that of ws, for a program with the browser's types and for one without", { timeout: 120_000 }, () => {
  run(tsc, "--noEmit", ...browser, "onglobal.ts");
  run(tsc, "--noEmit", ...browser, "--skipLibCheck", "onsockets.ts");
  run(tsc, "--noEmit", ...strict, "--lib", "ES2023", "--types", "node", "onsockets.ts");
});

/** A server that answers each connection with one frame, and a close when there is a code. */
async function serving<T>(code: number, use: (url: string) => Promise<T>): Promise<T> {
  const welcome = JSON.stringify({
    t: "welcome", conn: "c-1", hb_ms: 20_000, exp_ms: 540_000, reconnect: { base_ms: 500, max_ms: 20_000 },
    limits: { subs: 16, rows: 5000 }, now: Date.now(),
  });
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: ${welcome}\n\n`);
    if (code > 0) response.end(`event: close\ndata: ${JSON.stringify({ code, reason: "no", reconnect: false })}\n\n`);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => socket.on("message", () => {
    socket.send(welcome);
    if (code > 0) socket.close(code, "no");
  }));
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    sockets.close();
    server.closeAllConnections();
    server.close();
  }
}

describe.each(["websocket", "sse"])("a Node.js program that follows over %s ends by itself", (transport) => {
  test.each([
    ["when its token is refused", 4501, "never"],
    ["when its token is revoked", 4505, "never"],
    ["when its client is stopped by hand, too, after that", 4505, "stopped"],
    ["when its client is stopped", 0, "open"],
  ])("%s", { timeout: 60_000 }, async (_, code, stopAt) => {
    const run = promisify(execFile);
    const { stdout } = await serving(code, (url) => run(process.execPath, ["follow.js", url, transport, stopAt], { cwd: home, timeout: 20_000 }));
    expect(stdout).toBe(`stopped ${code}\n`);
  });
});
