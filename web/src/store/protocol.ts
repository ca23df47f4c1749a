// The wire protocol track.v1: frame types, and a parser that lets nothing
// through whose shape it does not know.

export const SUBPROTOCOL = "track.v1.json";
export const VERSION = 1;

/** A row as it stands on the wire; its topic's parser says what else is in it. */
export type WireRow = { readonly id: string; readonly [field: string]: unknown };

/** Where a subscription stands: resume from here, if epoch and shape still hold. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
  readonly shape: string;
}

export type WireFilter =
  | { readonly f: string; readonly op: "in"; readonly v: readonly string[] }
  | { readonly and: readonly WireFilter[] };

export interface SubRequest {
  sid: number;
  topic: string;
  filter: WireFilter;
  since?: Position;
}

export type ClientFrame =
  | { t: "hello"; v: number; token: string; client: string; subs: SubRequest[] }
  | ({ t: "sub" } & SubRequest)
  | { t: "unsub"; sid: number }
  | { t: "auth"; token: string }
  | { t: "pong" };

export interface Welcome {
  t: "welcome";
  hbMs: number;
  baseMs: number;
  maxMs: number;
  now: number;
}
export interface Snap {
  t: "snap";
  sid: number;
  epoch: string;
  page: number;
  rows: WireRow[];
  more: boolean;
}
export interface Live {
  t: "live";
  sid: number;
  epoch: string;
  shape: string;
  q: number;
  resumed: boolean;
  /** Rows of the snapshot; undefined when the server does not say. */
  rows: number | undefined;
}
export interface Delta {
  t: "d";
  sid: number;
  p: number;
  q: number;
  ts: number | undefined;
  u: WireRow[];
  r: string[];
}
export interface Heartbeat {
  t: "hb";
  now: number;
  lagMs: number;
  q: ReadonlyMap<number, number>;
  quarantined: number;
}
export interface Reset {
  t: "reset";
  sid: number;
  code: string;
  retryMs: number;
}
export interface ErrorFrame {
  t: "err";
  sid: number | undefined;
  code: string;
  msg: string;
  retryMs: number;
}
export interface AuthRequest {
  t: "authreq";
  withinMs: number;
}
export interface Goaway {
  t: "goaway";
  code: string;
  reconnectInMs: number;
}
export type Frame = Welcome | Snap | Live | Delta | Heartbeat | Reset | ErrorFrame | AuthRequest | Goaway;

/** A message that breaks the protocol. Nothing of such a message is applied. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

type Fields = Record<string, unknown>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(o: Fields, key: string, want: string): ProtocolError {
  return new ProtocolError(`frame ${JSON.stringify(o["t"])}: ${key} is not ${want}`);
}

function text(o: Fields, key: string): string {
  const v = o[key];
  if (typeof v !== "string") throw refuse(o, key, "a string");
  return v;
}

function count(o: Fields, key: string): number {
  const v = o[key];
  if (typeof v !== "number" || !Number.isSafeInteger(v) || v < 0) throw refuse(o, key, "a whole number");
  return v;
}

function countOr<T>(o: Fields, key: string, otherwise: T): number | T {
  return o[key] === undefined || o[key] === null ? otherwise : count(o, key);
}

function flag(o: Fields, key: string): boolean {
  const v = o[key];
  if (typeof v !== "boolean") throw refuse(o, key, "true or false");
  return v;
}

function fields(o: Fields, key: string): Fields {
  const v = o[key];
  if (!isFields(v)) throw refuse(o, key, "an object");
  return v;
}

function list(o: Fields, key: string): unknown[] {
  const v = o[key];
  if (v === undefined || v === null) return [];
  if (!Array.isArray(v)) throw refuse(o, key, "a list");
  return v;
}

function rows(o: Fields, key: string): WireRow[] {
  return list(o, key).map((row) => {
    if (!isFields(row) || typeof row["id"] !== "string" || row["id"] === "") {
      throw refuse(o, key, "a list of rows with an id");
    }
    return row as WireRow;
  });
}

function ids(o: Fields, key: string): string[] {
  return list(o, key).map((id) => {
    if (typeof id !== "string") throw refuse(o, key, "a list of ids");
    return id;
  });
}

function positions(o: Fields): Map<number, number> {
  const out = new Map<number, number>();
  if (o["q"] === undefined) return out;
  const q = fields(o, "q");
  for (const sid of Object.keys(q)) out.set(Number(sid), count(q, sid));
  return out;
}

function delta(o: Fields): Delta {
  const frame: Delta = {
    t: "d", sid: count(o, "sid"), p: count(o, "p"), q: count(o, "q"),
    ts: countOr(o, "ts", undefined), u: rows(o, "u"), r: ids(o, "r"),
  };
  if (frame.q < frame.p) throw refuse(o, "q", "at or after p");
  return frame;
}

function welcome(o: Fields): Welcome {
  const reconnect = fields(o, "reconnect");
  const hbMs = count(o, "hb_ms");
  if (hbMs === 0) throw refuse(o, "hb_ms", "above zero");
  return { t: "welcome", hbMs, baseMs: count(reconnect, "base_ms"), maxMs: count(reconnect, "max_ms"), now: count(o, "now") };
}

const parsers: Record<string, (o: Fields) => Frame> = {
  welcome,
  d: delta,
  snap: (o) => ({
    t: "snap", sid: count(o, "sid"), epoch: text(o, "epoch"), page: count(o, "page"), rows: rows(o, "rows"), more: flag(o, "more"),
  }),
  live: (o) => ({
    t: "live", sid: count(o, "sid"), epoch: text(o, "epoch"), shape: text(o, "shape"), q: count(o, "q"),
    resumed: flag(o, "resumed"), rows: countOr(o, "rows", undefined),
  }),
  hb: (o) => ({
    t: "hb", now: count(o, "now"), lagMs: countOr(o, "lag_ms", 0), q: positions(o), quarantined: countOr(o, "quarantined", 0),
  }),
  reset: (o) => ({ t: "reset", sid: count(o, "sid"), code: text(o, "code"), retryMs: countOr(o, "retry_ms", 0) }),
  err: (o) => ({
    t: "err", sid: countOr(o, "sid", undefined), code: text(o, "code"),
    msg: o["msg"] === undefined ? "" : text(o, "msg"), retryMs: countOr(o, "retry_ms", 0),
  }),
  authreq: (o) => ({ t: "authreq", withinMs: countOr(o, "within_ms", 0) }),
  goaway: (o) => ({ t: "goaway", code: text(o, "code"), reconnectInMs: countOr(o, "reconnect_in_ms", 0) }),
};

/**
 * Reads one message, which is one or more JSON objects joined by "\n".
 * A frame of a kind this page does not know is left out: a newer server may
 * send it. A known kind of the wrong shape throws ProtocolError.
 */
export function parseMessage(message: unknown): Frame[] {
  if (typeof message !== "string") throw new ProtocolError("message is not text");
  const frames: Frame[] = [];
  for (const line of message.split("\n")) {
    if (line.trim() === "") continue;
    const frame = parseFrame(line);
    if (frame) frames.push(frame);
  }
  return frames;
}

function parseFrame(line: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ProtocolError("message is not JSON");
  }
  if (!isFields(value) || typeof value["t"] !== "string") throw new ProtocolError("frame has no kind");
  const parse = Object.hasOwn(parsers, value["t"]) ? parsers[value["t"]] : undefined;
  return parse ? parse(value) : null;
}
