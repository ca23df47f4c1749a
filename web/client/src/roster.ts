// All subscriptions of a client: their ids on the wire, their frames, and what
// is asked again when a frame does not fit.

import type { Backoff } from "./backoff.ts";
import { mayRetry, SubscriptionRefused } from "./closing.ts";
import type { ServerClock } from "./clock.ts";
import type { Feed, Verdict } from "./feed.ts";
import type { ClientFrame, Delta, ErrorFrame, Frame, Heartbeat, Reset, SubRequest } from "./frames.ts";

/** The connection, as far as subscriptions need it. */
export interface Line {
  /** Sends what asks for something else than was asked for so far. */
  ask(...frames: readonly ClientFrame[]): void;
  /** Runs something later, unless the connection is gone by then. */
  after(ms: number, run: () => void): void;
  /** Something has changed that is worth a look. */
  changed(): void;
}

type Strike = { readonly count: number; readonly at: number };

const resetGraceMs = 15_000; // how long a snapshot may take to come after a reset
const strikeMs = 10_000; // a subscription that breaks again within this keeps breaking

/** Frames that are of one subscription. */
export type OfSubscription = Extract<Frame, { readonly t: "snap" | "live" | "d" | "ev" | "reset" }>;

/** A feed of any rows: how frames act on it does not show them. */
export type AnyFeed = Omit<Feed<unknown>, "table" | "rows" | "listen">;

/** The subscriptions of one client. */
export class Roster {
  /** Frames of a subscription that is no longer ours, for the curious. */
  foreign = 0;
  #nextSid = 1;
  readonly #feeds = new Set<AnyFeed>();
  readonly #strikes = new WeakMap<AnyFeed, Strike>();

  readonly #line: Line;
  readonly #backoff: Backoff;
  readonly #clock: ServerClock;

  constructor(line: Line, backoff: Backoff, clock: ServerClock) {
    this.#line = line;
    this.#backoff = backoff;
    this.#clock = clock;
  }

  /** Adds a subscription and asks for it. */
  add(feed: AnyFeed): void {
    this.#feeds.add(feed);
    this.#ask(feed);
  }

  /** Leaves a subscription out from now on. */
  remove(feed: AnyFeed): void {
    const { sid } = feed;
    feed.sid = 0;
    if (this.#feeds.delete(feed) && sid !== 0) this.#line.ask({ t: "unsub", sid });
  }

  /** Everything that is wanted, for a new connection. */
  requests(): SubRequest[] {
    this.#nextSid = 1;
    return [...this.#feeds].map((feed) => feed.request(this.#nextSid++));
  }

  /** The connection is gone. */
  suspend(): void {
    for (const feed of this.#feeds) feed.sid = 0;
    for (const feed of [...this.#feeds]) feed.suspend("lost");
  }

  /** Takes a frame of one subscription. One whose id is not ours any more is left alone: the answer to the request that replaced it covers what it says. */
  handle(frame: OfSubscription): void {
    const feed = this.#of(frame.sid);
    if (!feed) {
      this.foreign++;
      return;
    }
    const before = feed.phase;
    this.#judge(feed, this.#apply(feed, frame));
    if (feed.phase !== before) this.#line.changed();
  }

  heartbeat(frame: Heartbeat): void {
    for (const [sid, seq] of frame.q) {
      const feed = this.#of(sid);
      if (feed) this.#judge(feed, feed.sent(seq));
    }
  }

  /** Takes an error of a subscription; says whether it was of one of ours. */
  error(frame: ErrorFrame): boolean {
    const feed = frame.sid === undefined ? undefined : this.#of(frame.sid);
    if (!feed) return false;
    if (mayRetry(frame.code)) {
      this.#again(feed, "error", frame.code, frame.retryMs);
    } else {
      feed.sid = 0;
      feed.refuse(new SubscriptionRefused(frame.code, frame.msg));
    }
    return true;
  }

  #apply(feed: AnyFeed, frame: OfSubscription): Verdict {
    switch (frame.t) {
      case "snap": return feed.snap(frame);
      case "live": return feed.live(frame);
      case "d":
      case "ev": return this.#delta(feed, frame);
      case "reset": return this.#reset(feed, frame);
    }
  }

  #delta(feed: AnyFeed, frame: Delta): Verdict {
    if (frame.ts !== undefined && feed.phase === "live" && !feed.catchingUp) this.#clock.delta(frame.ts);
    return feed.delta(frame);
  }

  #reset(feed: AnyFeed, frame: Reset): Verdict {
    feed.reset(frame.code);
    this.#line.after(frame.retryMs + resetGraceMs, () => {
      if (feed.sid === frame.sid && feed.awaitingSnapshot) this.#judge(feed, "restart");
    });
    return "ok";
  }

  #judge(feed: AnyFeed, verdict: Verdict): void {
    if (verdict === "ok") return;
    if (verdict === "restart") feed.forget();
    this.#again(feed, verdict, "", 0);
  }

  // Asks again under a new sid. The first time at once; a subscription that
  // keeps breaking waits longer each time.
  #again(feed: AnyFeed, reason: "gap" | "restart" | "error", code: string, atLeastMs: number): void {
    const wait = Math.max(atLeastMs, this.#strike(feed));
    const old = feed.sid;
    feed.sid = 0;
    feed.suspend(reason, code);
    this.#line.ask({ t: "unsub", sid: old });
    if (wait === 0) this.#ask(feed);
    else this.#line.after(wait, () => this.#ask(feed));
    this.#line.changed();
  }

  #strike(feed: AnyFeed): number {
    const now = Date.now();
    const last = this.#strikes.get(feed);
    const count = last && now - last.at < strikeMs ? last.count + 1 : 0;
    this.#strikes.set(feed, { count, at: now });
    return count === 0 ? 0 : Math.max(1, this.#backoff.wait(count));
  }

  #ask(feed: AnyFeed): void {
    if (this.#feeds.has(feed)) this.#line.ask({ t: "sub", ...feed.request(this.#nextSid++) });
  }

  #of(sid: number): AnyFeed | undefined {
    for (const feed of this.#feeds) if (feed.sid === sid && sid !== 0) return feed;
    return undefined;
  }
}
