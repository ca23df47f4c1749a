// Reads messages of the server; lets nothing through whose shape it does not know.

import { identityKey } from "./entries.ts";
import { isFields, ProtocolError, Reader, type Fields } from "./fields.ts";
import type { Delta, Frame, Heartbeat, Live, Snap, Welcome, WireRow } from "./frames.ts";

const parsers: Readonly<Record<string, (r: Reader) => Frame>> = {
  welcome, snap, live, hb,
  d: (r) => delta(r, "d", rows(r, "u"), r.texts("r")),
  ev: (r) => delta(r, "ev", rows(r, "e"), identities(r)),
  reset: (r) => ({ t: "reset", sid: r.count("sid"), code: r.text("code"), retryMs: r.countOr("retry_ms", 0) }),
  err: (r) => ({
    t: "err", sid: r.countOr("sid", undefined), code: r.text("code"), msg: r.textOr("msg", ""), retryMs: r.countOr("retry_ms", 0),
  }),
  authreq: (r) => ({ t: "authreq", withinMs: r.countOr("within_ms", 0) }),
  goaway: (r) => ({ t: "goaway", code: r.text("code"), reconnectInMs: r.countOr("reconnect_in_ms", 0) }),
};

/**
 * Reads one message, which is one or more JSON objects joined by "\n".
 * A frame of an unknown kind is left out: a newer server may send it. A known
 * kind of the wrong shape throws ProtocolError.
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
  const value = json(line);
  if (!isFields(value) || typeof value["t"] !== "string") throw new ProtocolError("frame has no kind");
  const kind = value["t"];
  const parse = Object.hasOwn(parsers, kind) ? parsers[kind] : undefined;
  return parse ? parse(new Reader(value, `frame ${JSON.stringify(kind)}`)) : null;
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new ProtocolError("message is not JSON");
  }
}

function welcome(r: Reader): Welcome {
  const reconnect = new Reader(r.object("reconnect"), "reconnect of the welcome");
  const hbMs = r.count("hb_ms");
  if (hbMs === 0) throw r.wrong("hb_ms", "above zero");
  return {
    t: "welcome", conn: r.textOr("conn", ""), hbMs,
    baseMs: reconnect.count("base_ms"), maxMs: reconnect.count("max_ms"), now: r.count("now"),
  };
}

function snap(r: Reader): Snap {
  return {
    t: "snap", sid: r.count("sid"), epoch: r.text("epoch"), page: r.count("page"), rows: rows(r, "rows"), more: r.flag("more"),
  };
}

function live(r: Reader): Live {
  return {
    t: "live", sid: r.count("sid"), epoch: r.text("epoch"), shape: r.text("shape"), q: r.count("q"),
    resumed: r.flag("resumed"), rows: r.countOr("rows", undefined),
  };
}

function delta(r: Reader, t: Delta["t"], put: readonly WireRow[], drop: readonly string[]): Delta {
  const p = r.count("p");
  const q = r.count("q");
  if (q < p) throw r.wrong("q", "at or after p");
  return { t, sid: r.count("sid"), p, q, ts: r.countOr("ts", undefined), put, drop };
}

function hb(r: Reader): Heartbeat {
  return {
    t: "hb", now: r.count("now"), lagMs: r.countOr("lag_ms", 0), q: positions(r), quarantined: r.countOr("quarantined", 0),
  };
}

function positions(r: Reader): ReadonlyMap<number, number> {
  const q: Fields = r.has("q") ? r.object("q") : {};
  const each = new Reader(q, "positions of the heartbeat");
  return new Map(Object.keys(q).map((sid) => [Number(sid), each.count(sid)]));
}

function rows(r: Reader, key: string): readonly WireRow[] {
  return r.list(key).map((row) => {
    if (!isFields(row) || typeof row["id"] !== "string" || row["id"] === "") throw r.wrong(key, "a list of rows with an id");
    return row as WireRow;
  });
}

function identities(r: Reader): readonly string[] {
  return r.list("r").map((parts) => {
    if (!Array.isArray(parts) || parts.length !== 4 || parts.some((part) => typeof part !== "string")) {
      throw r.wrong("r", "a list of identities");
    }
    return identityKey(parts as readonly string[]);
  });
}
