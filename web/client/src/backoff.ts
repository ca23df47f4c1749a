// How long to wait before the next try.

/** A wait drawn evenly from zero to the doubled ceiling, so that a storm of clients spreads out. */
export function fullJitter(attempt: number, baseMs: number, maxMs: number, random: () => number): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random() * ceiling);
}

const steadyMs = 5_000; // up this long, a connection counts as good and the waiting starts over

/** The waits of one client, by what the last welcome asked for. */
export class Backoff {
  #attempt = 0;
  #upSince: number | null = null;
  #baseMs = 500;
  #maxMs = 20_000;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A connection is up, and says how its clients shall wait. */
  up(baseMs: number, maxMs: number): void {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#upSince = Date.now();
  }

  /** Starts over: something has changed for the better. */
  restart(): void {
    this.#attempt = 0;
  }

  /** The wait before the next connection. */
  next(): number {
    if (this.#upSince !== null && Date.now() - this.#upSince >= steadyMs) this.#attempt = 0;
    this.#upSince = null;
    return this.wait(this.#attempt++);
  }

  /** The wait before something is tried for the n-th time again, counted from 0. */
  wait(n: number): number {
    return fullJitter(n, this.#baseMs, this.#maxMs, this.#random);
  }
}
