// The page's words against the server's own source: a code that is new there
// and has no words here fails.

import { openOrders, openShipments } from "@waybill-io/client";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { anomalies, flags, oddities, reasons, returnsLabel, statusLabel, types, zones, type Meaning } from "../src/ui/words.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function source(path: string): string {
  return readFileSync(`${root}/${path}`, "utf8");
}

/** The values of the constants of a type in Go. */
function constants(path: string, type: string): string[] {
  const found = [...source(path).matchAll(new RegExp(`^\\s+\\w+\\s+${type}\\s+= "([\\w.]+)"`, "gm"))].map((m) => m[1] ?? "");
  expect(found.length, `constants of type ${type} in ${path}`).toBeGreaterThan(2);
  return found.sort();
}

/** The enum of a definition of the events' schemas, without "not said". */
function enumOf(path: string, ...keys: string[]): string[] {
  let at = JSON.parse(source(path)) as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  return (at["enum"] as (string | null)[]).filter((v): v is string => v !== null && v !== "").sort();
}

const sentence = /^[A-Z].*\.$/;

function expectMeanings(codes: readonly string[], meanings: Readonly<Record<string, Meaning>>): void {
  expect(Object.keys(meanings).sort()).toEqual(codes);
  for (const code of codes) {
    expect(meanings[code]?.label, code).toMatch(/^[a-z]/);
    expect(meanings[code]?.text, code).toMatch(sentence);
  }
}

describe("every code of the server has words", () => {
  test("anomalies", () => {
    expectMeanings(constants("internal/tracking/mark.go", "Anomaly"), anomalies);
  });

  test("flags of orders", () => {
    expectMeanings(constants("internal/tracking/order_status.go", "Flag"), flags);
  });

  test("types of events, all 42", () => {
    const schemas = readdirSync(`${root}/schemas/events`).flatMap((f) => /^(\w+\.\w+)\.v\d+\.json$/.exec(f)?.[1] ?? []);
    expect(schemas).toHaveLength(42);
    expect(Object.keys(types).sort()).toEqual(schemas.sort());
    expect(new Set(Object.values(types)).size, "two types of one name").toBe(42);
  });

  test("sources of the zone", () => {
    const codes = enumOf("schemas/events/common.json", "$defs", "tz_source");
    expect(Object.keys(zones).sort()).toEqual(codes);
    expect(codes.filter((c) => zones[c]?.doubt === "")).toEqual(["offset", "zone_code"]);
    expect(codes.filter((c) => zones[c]?.doubt === "strong")).toEqual(["assumed_utc", "unknown"]);
  });

  test("reasons of a retraction, and classes", () => {
    expect(Object.keys(reasons).sort()).toEqual(enumOf("schemas/events/event.retracted.v1.json", "properties", "reason"));
    const classes = enumOf("schemas/events/common.json", "$defs", "class").filter((c) => c !== "ACT");
    expect(classes.filter((c) => c in oddities)).toEqual(classes);
  });

  test("statuses, of which the open ones are known to the server", () => {
    const shipment = constants("internal/tracking/status.go", "Status");
    const order = constants("internal/tracking/order_status.go", "OrderStatus");
    expect(shipment).toEqual(expect.arrayContaining([...openShipments]));
    expect(order).toEqual(expect.arrayContaining([...openOrders]));
    for (const status of [...shipment, ...order]) expect(statusLabel(status)).toMatch(/^[A-Z][a-z ]+$/);
  });
});

test("say how many returns are under way", () => {
  expect([1, 2].map(returnsLabel)).toEqual(["return requested", "2 returns requested"]);
});
