// What a client is made with.

import type { Filter } from "./filter.ts";
import type { Fetch } from "./sse.ts";
import type { Table } from "./table.ts";
import type { TokenProvider } from "./tokens.ts";
import type { FilterOf, RowOf, Topic } from "./topics.ts";
import type { TransportName } from "./transport.ts";
import type { OpenSocket } from "./websocket.ts";

export interface Options {
  /** Where the server is, such as "https://track.example.com". */
  readonly url: string;
  /** Gives the token of a connection, and another one when it runs out. */
  readonly token: TokenProvider | TokenProvider["fresh"];
  /** What the client calls itself, for the server's logs; at most 128 characters. */
  readonly name?: string;
  /** The ways to try, in this order. Defaults to a WebSocket, then an event stream. */
  readonly transports?: readonly TransportName[];
  /** Opens a WebSocket, where there is no global one. */
  readonly openSocket?: OpenSocket;
  /** Reads a stream, where there is no global fetch. */
  readonly fetch?: Fetch;
  /** Draws a number in [0, 1), for the waits. */
  readonly random?: () => number;
}

/** What is wanted of a topic. A timeline must be told of what. */
export type SubscribeOptions<T extends Topic> = {
  /** How many deltas a second at most; from 0.1 to what the server gives, which is 10 unless its operator said otherwise; what is outside of that the server takes as the nearer of the two. */
  readonly maxHz?: number;
  /** Where the rows go; one of its own unless it is told. In the table of a subscription that was closed, the rows stay until the first snapshot is whole. */
  readonly table?: Table<RowOf<T>>;
} & (T extends "timeline" ? { readonly filter: FilterOf<T> } : { readonly filter?: FilterOf<T> });

/** The filter of options, as it is sent. */
export function filterOf(options: { readonly filter?: unknown } | undefined): Filter {
  return (options?.filter ?? {}) as Filter;
}

/** The addresses of a server: its socket and its event stream. */
export function addresses(url: string): { readonly socket: string; readonly stream: string } {
  const base = new URL(url.replace(/^ws/, "http").replace(/\/*$/, "/"));
  const stream = new URL("v1/stream/sse", base).href;
  return { socket: new URL("v1/live", base).href.replace(/^http/, "ws"), stream };
}
