// The rows of one subscription by id: what is live, and what a paused screen shows.

import type { Row } from "./rows.ts";

/**
 * A table holds immutable rows by id. `rows` is always the newest state;
 * `visible` is what the screen may show, which a pause holds still.
 */
export class Table<R extends Row> {
  #rows = new Map<string, R>();
  #held: ReadonlyMap<string, R> | null = null;
  #behind = new Set<string>();
  #version = 0;
  readonly #onChange: () => void;

  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  get rows(): ReadonlyMap<string, R> {
    return this.#rows;
  }

  get visible(): ReadonlyMap<string, R> {
    return this.#held ?? this.#rows;
  }

  /** Grows with every change of `visible`. */
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

  /** Puts whole rows and drops ids, as one change. */
  apply(put: readonly R[], drop: readonly string[]): void {
    if (put.length === 0 && drop.length === 0) return;
    for (const row of put) this.#rows.set(row.id, row);
    for (const id of drop) this.#rows.delete(id);
    if (this.#held) {
      for (const row of put) this.#behind.add(row.id);
      for (const id of drop) this.#behind.add(id);
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

  pause(): void {
    if (this.#held) return;
    this.#held = new Map(this.#rows);
  }

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

  #noteDifference(before: ReadonlyMap<string, R>, after: ReadonlyMap<string, R>): void {
    for (const id of before.keys()) if (!after.has(id)) this.#behind.add(id);
    for (const [id, row] of after) if (before.get(id)?.v !== row.v) this.#behind.add(id);
  }

  #changed(): void {
    this.#version++;
    this.#onChange();
  }
}
