// A hostile server and its clients, for each test.

import type { Client, ClientEvent, Options, Shipment, Subscription } from "@waybill-io/client";
import { afterEach, beforeEach, expect } from "vitest";
import { Hostile, type Peer } from "./hostile.ts";
import { connect, rowsOf, settled, Watch } from "./real.ts";

/** A client with one subscription, and what is heard of both. */
export interface Followed {
  readonly client: Client;
  readonly sub: Subscription<Shipment>;
  readonly watch: Watch<Shipment>;
  readonly heard: ClientEvent[];
}

/** How long a test waits for what must happen. */
export const poll = { timeout: 15_000, interval: 5 };

export class Stage {
  readonly server = new Hostile();
  #url = "";
  readonly #clients: Client[] = [];

  async open(): Promise<void> {
    this.#url = await this.server.listen();
    for (let i = 0; i < 7; i++) this.server.change("shipments", `S-${i}`, "in_transit");
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.stop();
    await this.server.close();
    expect(this.server.violations).toEqual([]);
  }

  /** Starts a client that follows shipments. */
  follow(more: Partial<Options> = {}): Followed {
    const client = connect(this.#url, more);
    this.#clients.push(client);
    const sub = client.subscribe("shipments");
    const heard: ClientEvent[] = [];
    client.listen((event) => heard.push(event));
    const watch = new Watch(sub, this.server);
    client.start();
    return { client, sub, watch, heard };
  }

  /** Starts one and waits until its rows are right. */
  async live(more: Partial<Options> = {}): Promise<Followed> {
    const followed = this.follow(more);
    await this.right(followed);
    return followed;
  }

  /** Waits until the rows are the server's, and looks at how they became so. */
  async right({ client, sub, watch }: Followed): Promise<void> {
    await expect.poll(() => settled(client, sub, this.server), poll).toBe(true);
    expect(rowsOf(sub)).toEqual(this.server.at("shipments", this.server.seq));
    expect(watch.broken).toEqual([]);
  }

  /** Lets the first message that matches be handled by someone else; all others pass. */
  once(pattern: RegExp, handle: (peer: Peer, text: string) => void): void {
    let left = 1;
    this.server.mischief = (peer, text) => {
      if (pattern.test(text) && left-- > 0) handle(peer, text);
      else peer.write(text);
    };
  }
}

/** A stage that is new in each test of a file. */
export function stage(): Pick<Stage, "server" | "follow" | "live" | "right" | "once"> {
  let now = new Stage();
  beforeEach(() => {
    now = new Stage();
    return now.open();
  });
  afterEach(() => now.close());
  return {
    get server() { return now.server; },
    follow: (more) => now.follow(more),
    live: (more) => now.live(more),
    right: (followed) => now.right(followed),
    once: (pattern, handle) => now.once(pattern, handle),
  };
}
