// The server's time and how far its data lags, as its frames tell it. This
// machine's clock may be hours off; ages and lag must not be.

/** How long the lag of a delta says something about now. */
const deltaLagMs = 5_000;

/** The time of the server, and its lag. */
export class ServerClock {
  #skew = 0;
  #lag = { ms: 0, until: 0 };

  now(): number {
    return Date.now() - this.#skew;
  }

  /** How far the data lags behind the server's newest commit, as far as was said lately. */
  lagMs(now: number): number {
    return now < this.#lag.until ? this.#lag.ms : 0;
  }

  /** A welcome sets the clock, until a frame that was faster on its way sets it better. */
  welcome(serverNow: number): void {
    this.#skew = Date.now() - serverNow;
  }

  heartbeat(serverNow: number, lagMs: number): void {
    this.#skew = Math.min(this.#skew, Date.now() - serverNow);
    this.#lag = { ms: lagMs, until: Infinity };
  }

  /** Notes when the newest change of a delta was committed. */
  delta(committedAt: number): void {
    this.#lag = { ms: Math.max(0, this.now() - committedAt), until: Date.now() + deltaLagMs };
  }

  /** The connection is gone: nothing is known about lag, but the clock goes on. */
  forgetLag(): void {
    this.#lag = { ms: 0, until: 0 };
  }
}
