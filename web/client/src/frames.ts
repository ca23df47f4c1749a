// The frames of the wire protocol track.v1.

import type { Filter } from "./filter.ts";

/** The subprotocol that a WebSocket asks for. */
export const SUBPROTOCOL = "track.v1.json";

/** The version that a hello names. */
export const VERSION = 1;

/** A row or an entry as it stands on the wire; its topic says what else is in it. */
export type WireRow = { readonly id: string; readonly [field: string]: unknown };

/** The identity of an entry: stream, stream_id, source and id. */
export type WireIdentity = readonly string[];

/** Where a subscription stands: resume from here, if epoch and shape still hold. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
  readonly shape: string;
}

/** What a subscription is asked for with. */
export interface SubRequest {
  readonly sid: number;
  readonly topic: string;
  readonly filter?: Filter;
  readonly max_hz?: number;
  readonly since?: Position;
}

/** What a client says first, however it says it. */
export interface Greeting {
  readonly token: string;
  readonly client: string;
  readonly subs: readonly SubRequest[];
}

/** A frame of the client. */
export type ClientFrame =
  | ({ readonly t: "hello"; readonly v: number } & Greeting)
  | ({ readonly t: "sub" } & SubRequest)
  | { readonly t: "unsub"; readonly sid: number }
  | { readonly t: "auth"; readonly token: string }
  | { readonly t: "pong" };

export interface Welcome {
  readonly t: "welcome";
  readonly conn: string;
  readonly hbMs: number;
  readonly baseMs: number;
  readonly maxMs: number;
  readonly now: number;
}

export interface Snap {
  readonly t: "snap";
  readonly sid: number;
  readonly epoch: string;
  readonly page: number;
  readonly rows: readonly WireRow[];
  readonly more: boolean;
}

export interface Live {
  readonly t: "live";
  readonly sid: number;
  readonly epoch: string;
  readonly shape: string;
  readonly q: number;
  readonly resumed: boolean;
  /** Rows of the snapshot; undefined when the server does not say. */
  readonly rows: number | undefined;
}

/** What changed in (p, q]: whole rows to put and keys to drop, of a state or of a log. */
export interface Delta {
  readonly t: "d" | "ev";
  readonly sid: number;
  readonly p: number;
  readonly q: number;
  readonly ts: number | undefined;
  readonly put: readonly WireRow[];
  readonly drop: readonly string[];
}

export interface Heartbeat {
  readonly t: "hb";
  readonly now: number;
  readonly lagMs: number;
  readonly q: ReadonlyMap<number, number>;
  readonly quarantined: number;
}

export interface Reset {
  readonly t: "reset";
  readonly sid: number;
  readonly code: string;
  readonly retryMs: number;
}

export interface ErrorFrame {
  readonly t: "err";
  readonly sid: number | undefined;
  readonly code: string;
  readonly msg: string;
  readonly retryMs: number;
}

export interface AuthRequest {
  readonly t: "authreq";
  readonly withinMs: number;
}

export interface Goaway {
  readonly t: "goaway";
  readonly code: string;
  readonly reconnectInMs: number;
}

/** A frame of the server. */
export type Frame = Welcome | Snap | Live | Delta | Heartbeat | Reset | ErrorFrame | AuthRequest | Goaway;
