// What is published: built, packed, and used as somebody else would.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));
const tsc = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url));

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

let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "waybill-client-"));
}, 60_000);

afterAll(() => rmSync(home, { recursive: true }));

function run(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { cwd: home, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (err) {
    const { stdout, stderr } = err as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")}: ${stdout}${stderr}`);
  }
}

test("the package has what it needs and no more, for a program in TypeScript and for one that is not built", { timeout: 120_000 }, () => {
  const [packed] = JSON.parse(run("npm", "pack", folder, "--json", "--pack-destination", home).replace(/^[^[]*/, "")) as [
    { filename: string; files: { path: string }[]; unpackedSize: number },
  ];
  const files = packed.files.map((file) => file.path);
  expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json", "dist/index.js", "dist/index.d.ts"]));
  expect(files.filter((file) => !/^(LICENSE|README\.md|package\.json|dist\/\w+(\.d\.ts|\.js))$/.test(file))).toEqual([]);
  expect(packed.unpackedSize).toBeLessThan(150_000);

  const module = join(home, "node_modules/@waybill-io/client");
  mkdirSync(module, { recursive: true });
  run("tar", "-xzf", packed.filename, "-C", module, "--strip-components=1");
  writeFileSync(join(home, "package.json"), '{"type":"module","private":true}');
  writeFileSync(join(home, "use.ts"), use);
  const strict = ["--strict", "--target", "ES2023", "--lib", "ES2023,DOM,DOM.Iterable", "--types", ""];
  run(tsc, "--noEmit", ...strict, "--module", "NodeNext", "use.ts");
  run(tsc, "--noEmit", ...strict, "--module", "ESNext", "--moduleResolution", "bundler", "use.ts");
  run(tsc, ...strict, "--module", "NodeNext", "use.ts");
  expect(run(process.execPath, "use.js")).toBe("0 false connecting\n");
});
