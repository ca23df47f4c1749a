// The timeline of one order or shipment, asked for over plain HTTP.

import { parseEntry, parseOrder, parseShipment, ProtocolError, type Entry, type Order, type Shipment, type WireRow } from "@waybill-io/client";
import type { Tab } from "./query.ts";
import type { Fetch, Tokens } from "./tokens.ts";

export interface Timeline {
  /** The row as it was when the timeline was read; one of the two, by what was asked for. */
  readonly shipment: Shipment | null;
  readonly order: Order | null;
  /** Oldest first, in the order in which the state was folded. */
  readonly entries: readonly Entry[];
  /** False when there are more entries than are read at once: the newest are missing. */
  readonly whole: boolean;
}

/** What the server answered instead, as its problem document says it. */
export class Problem extends Error {
  override name = "Problem";
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

const maxPages = 20;

/** What an id may look like; anything else the server refuses. */
export const idPattern = /^[A-Za-z0-9._:-]{1,64}$/;

/** Asks for the whole timeline of an order or a shipment. Throws Problem, or what fetch throws. */
export async function fetchTimeline(
  kind: Tab, id: string, tokens: Pick<Tokens, "current" | "fresh">, fetch: Fetch, signal: AbortSignal,
): Promise<Timeline> {
  const entries: Entry[] = [];
  let first: Fields | null = null;
  let cursor = "";
  for (let page = 0; page < maxPages; page++) {
    const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
    const body = await ask(`/v1/${kind}/${encodeURIComponent(id)}/timeline${query}`, tokens, fetch, signal);
    first ??= body;
    entries.push(...list(body["entries"]).map(parseEntry));
    cursor = text(body, "next");
    if (cursor === "") break;
  }
  return {
    shipment: isFields(first?.["shipment"]) ? parseShipment(first["shipment"] as WireRow) : null,
    order: isFields(first?.["order"]) ? parseOrder(first["order"] as WireRow) : null,
    entries, whole: cursor === "",
  };
}

type Fields = Readonly<Record<string, unknown>>;

async function ask(url: string, tokens: Pick<Tokens, "current" | "fresh">, fetch: Fetch, signal: AbortSignal): Promise<Fields> {
  let response = await authorized(url, await tokens.current(), fetch, signal);
  if (response.status === 401) response = await authorized(url, await tokens.fresh(), fetch, signal);
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw problem(response.status, body);
  if (!isFields(body)) throw new ProtocolError("timeline is not an object");
  return body;
}

function authorized(url: string, token: string, fetch: Fetch, signal: AbortSignal): Promise<Response> {
  return fetch(url, { headers: { Authorization: `Bearer ${token}` }, signal });
}

function problem(status: number, body: unknown): Problem {
  const o = isFields(body) ? body : {};
  const say = [text(o, "detail"), text(o, "title")].find((s) => s !== "");
  return new Problem(status, text(o, "code"), say ?? `the server answered ${status}`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(o: Fields, key: string): string {
  const v = o[key];
  return typeof v === "string" ? v : "";
}
