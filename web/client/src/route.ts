// Which way to the server is tried next.

import type { TransportName } from "./transport.ts";

const patience = 3; // WebSockets in a row that were never welcomed
const probeMs = 30_000; // before a WebSocket is tried beside an event stream, at first
const probeMaxMs = 1_800_000;

/**
 * A route goes over WebSockets until several in a row were never welcomed,
 * then over an event stream as long as that works. While neither does, they
 * take turns. The waits before a WebSocket is tried again grow.
 */
export class Route {
  #way: TransportName;
  #failures = 0;
  #probes = 0;
  readonly #ways: readonly TransportName[];

  constructor(ways: readonly TransportName[]) {
    this.#ways = ways;
    this.#way = ways[0] ?? "websocket";
  }

  /** The way to try next. */
  get way(): TransportName {
    return this.#way;
  }

  /** The way led to a welcome. */
  welcomed(): void {
    if (this.#way === "sse") return;
    this.#failures = 0;
    this.#probes = 0;
  }

  /** The way ended before a welcome, and not by a word of the server. */
  failed(): void {
    if (this.#ways.length < 2) return;
    if (this.#way === "sse") this.#way = "websocket";
    else if (++this.#failures >= patience) this.#way = "sse";
  }

  /** A WebSocket opened, so the next link is one; if that is never welcomed, it is the stream's turn again. */
  opened(): void {
    this.#way = "websocket";
    this.#failures = patience - 1;
  }

  /** When to try whether a WebSocket opens; null when there is no need. */
  probeIn(random: () => number): number | null {
    if (this.#way !== "sse" || this.#ways.length < 2) return null;
    const ceiling = Math.min(probeMaxMs, probeMs * 2 ** Math.min(this.#probes++, 20));
    return Math.floor(ceiling * (0.5 + random() / 2));
  }
}
