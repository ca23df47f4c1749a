// A client on real sockets, and what it says of itself.

import { Client, isStale, type Options, type Position, type Socket, type Subscription, type SubscriptionEvent } from "@waybill-io/client";
import { WebSocket } from "ws";
import { type Hostile, words, type WireRow } from "./hostile.ts";

export const openSocket = (url: string, protocol: string): Socket => new WebSocket(url, protocol);

/** The rows of a subscription, each as one word. */
export function rowsOf(sub: Subscription<unknown>): string[] {
  return [...sub.rows.values()].map((row) => words(row as WireRow)).sort();
}

/** Makes a client of a hostile server, which waits a tenth of what it might. */
export function connect(url: string, more: Partial<Options> = {}): Client {
  return new Client({ url, name: "test", token: () => "token-1", openSocket, random: () => Math.random() / 10, ...more });
}

/**
 * Watches over a subscription: what the client promises of its events holds at
 * every moment, or is written down in `broken`.
 */
export class Watch<R> {
  readonly broken: string[] = [];
  readonly events: SubscriptionEvent<R>[] = [];
  #mirror = new Map<string, R>();
  #live = false;
  #last: Position | null = null;

  constructor(
    private readonly sub: Subscription<R>, private readonly server: Hostile, private readonly statuses: ReadonlySet<string> | null = null,
  ) {
    sub.listen((event) => {
      this.events.push(event);
      this.#follow(event);
      this.#compare(event.type);
    });
  }

  /** Why rows were stale, in order. */
  get reasons(): string[] {
    return this.events.flatMap((event) => (event.type === "stale" ? [event.code ? `${event.reason} ${event.code}` : event.reason] : []));
  }

  #follow(event: SubscriptionEvent<R>): void {
    if (event.type === "change") {
      if (!this.#live) this.broken.push("a change came although rows were stale");
      for (const row of event.put) this.#mirror.set(this.#key(row), row);
      for (const key of event.drop) this.#mirror.delete(key);
    } else if (event.type === "snapshot") {
      if (this.#live) this.broken.push("a snapshot came although nothing was said to be stale");
      this.#mirror = new Map(event.rows);
      this.#live = false;
    } else if (event.type === "cleared") {
      this.#mirror.clear();
    } else {
      if (event.type === "live" && this.#live) this.broken.push("a live came although nothing was said to be stale");
      this.#live = event.type === "live";
    }
  }

  #key(row: R): string {
    return (row as unknown as WireRow).id;
  }

  #compare(type: string): void {
    const { position, rows } = this.sub;
    const have = rowsOf(this.sub);
    if (rows.size !== this.#mirror.size || [...rows].some(([key, row]) => this.#mirror.get(key) !== row)) {
      this.broken.push(`the rows are not what the events say after ${type}`);
    }
    if (!position || type === "stale") return;
    const back = this.#last && this.#last.epoch === position.epoch && position.seq < this.#last.seq;
    if (back) this.broken.push(`the position went back from ${this.#last?.seq} to ${position.seq}`);
    this.#last = position;
    const want = this.server.at(this.sub.topic, position.seq, this.statuses);
    if (JSON.stringify(have) !== JSON.stringify(want)) this.broken.push(`at ${position.seq}: ${have.join()} instead of ${want.join()}`);
  }
}

/** Whether a subscription is live at what the server has. */
export function settled(client: Client, sub: Subscription<unknown>, server: Hostile): boolean {
  return sub.phase === "live" && !isStale(client.state(sub)) && sub.position?.seq === server.seq && sub.position.epoch === server.epoch;
}
