// The rows of one subscription by key: what is live, and what a paused screen shows.

import { Listeners } from "./listeners.ts";
import type { Kind } from "./topics.ts";

/**
 * A table holds immutable rows by key. `rows` is always the newest state;
 * `visible` is what the screen may show, which a pause holds still.
 */
export class Table<R> {
  #rows = new Map<string, R>();
  #held: ReadonlyMap<string, R> | null = null;
  #behind = new Set<string>();
  #version = 0;
  readonly #kind: Kind<R>;
  readonly #listeners = new Listeners<void>();

  constructor(kind: Kind<R>) {
    this.#kind = kind;
  }

  get rows(): ReadonlyMap<string, R> {
    return this.#rows;
  }

  get visible(): ReadonlyMap<string, R> {
    return this.#held ?? this.#rows;
  }

  /** Grows with every change of `rows` or `visible`. */
  get version(): number {
    return this.#version;
  }

  get paused(): boolean {
    return this.#held !== null;
  }

  /** How many rows have changed behind a pause. */
  get behind(): number {
    return this.#behind.size;
  }

  /** Calls back after every change; returns what ends that. */
  listen(run: () => void): () => void {
    return this.#listeners.add(run);
  }

  /** Puts whole rows and drops keys, as one change. */
  apply(put: readonly R[], drop: readonly string[]): void {
    if (put.length === 0 && drop.length === 0) return;
    for (const row of put) this.#rows.set(this.#kind.key(row), row);
    for (const key of drop) this.#rows.delete(key);
    this.#forgetOldest();
    if (this.#held) {
      for (const row of put) this.#behind.add(this.#kind.key(row));
      for (const key of drop) this.#behind.add(key);
    }
    this.#changed();
  }

  /** Takes a whole snapshot in place of what was there. */
  replace(rows: Map<string, R>): void {
    const before = this.#rows;
    this.#rows = rows;
    if (this.#held) this.#noteDifference(before, rows);
    this.#changed();
  }

  /** Holds `visible` still. */
  pause(): void {
    if (this.#held) return;
    this.#held = new Map(this.#rows);
  }

  /** Lets `visible` follow again. */
  resume(): void {
    if (!this.#held) return;
    this.#held = null;
    this.#behind.clear();
    this.#changed();
  }

  /** Shows nothing at once, paused or not: the right to see these rows is in doubt. */
  clear(): void {
    this.#rows = new Map();
    this.#held &&= new Map();
    this.#behind.clear();
    this.#changed();
  }

  #forgetOldest(): void {
    for (const key of this.#rows.keys()) {
      if (this.#rows.size <= this.#kind.keep) return;
      this.#rows.delete(key);
    }
  }

  #noteDifference(before: ReadonlyMap<string, R>, after: ReadonlyMap<string, R>): void {
    for (const key of before.keys()) if (!after.has(key)) this.#behind.add(key);
    for (const [key, row] of after) {
      const was = before.get(key);
      if (was === undefined || !this.#kind.same(was, row)) this.#behind.add(key);
    }
  }

  #changed(): void {
    this.#version++;
    this.#listeners.emit();
  }
}
