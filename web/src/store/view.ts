// The order of rows on the screen, and when it may change.

import type { Row, Table } from "@waybill-io/client";
import { select, type Counts, type Facets, type Query } from "./query.ts";

/** A row of the list may be gone from the table, or about to leave the list, while the list is held. */
export interface Shown<R extends Row> {
  readonly row: R;
  readonly leaving: boolean;
}

const settleMs = 1000;

/**
 * A view orders the rows of a table. A person's own change of the query acts
 * at once; changes of the data re-order at most once a second, and not at all
 * while the list is held: then they are counted in `waiting`.
 */
export class View<R extends Row> {
  ids: readonly string[] = [];
  counts: Counts = { all: 0, status: new Map(), mark: new Map() };
  /** Rows that will come, go or move when the list is let go. */
  waiting = 0;
  #keys = new Map<string, unknown>();
  #last = new Map<string, R>();
  #leaving = new Set<string>();
  #holds = new Set<string>();
  #settledAt = -Infinity;
  #seen = -1;
  #asOf = 0;
  #filled = false;

  constructor(readonly table: Table<R>, readonly facet: Facets<R>, private query: Query) {}

  get held(): boolean {
    return this.#holds.size > 0;
  }

  /** Holds the order, or lets it go, for one of several reasons. */
  hold(reason: "pointer" | "focus", on: boolean): void {
    if (on) this.#holds.add(reason);
    else this.#holds.delete(reason);
  }

  /** The person asked for other rows: held or not, they are shown at once. */
  ask(query: Query, now: number): void {
    this.query = query;
    this.settleNow(now);
  }

  /** Re-orders for changed data if it is time; says whether anything on the screen changed. */
  settle(now: number): boolean {
    const first = !this.#filled && this.table.visible.size > 0;
    if (!first && now - this.#settledAt < settleMs) return false;
    const minute = Math.floor(now / 60_000);
    const due = this.table.version !== this.#seen || minute !== this.#asOf || (this.waiting > 0 && !this.held);
    if (!due) return false;
    this.#run(now, this.held && !first);
    return true;
  }

  /** Lets in what waits, held or not: a person asked. */
  settleNow(now: number): void {
    this.#run(now, false);
  }

  /** The row of a listed id as it is now, or as it was last if it is gone. */
  shown(id: string): Shown<R> | undefined {
    const row = this.table.visible.get(id);
    if (row) return { row, leaving: this.#leaving.has(id) };
    const last = this.#last.get(id);
    return last && { row: last, leaving: true };
  }

  #run(now: number, held: boolean): void {
    this.#settledAt = now;
    this.#seen = this.table.version;
    this.#asOf = Math.floor(now / 60_000);
    this.#filled ||= this.table.visible.size > 0;
    const next = select(this.table.visible, this.query, this.facet, now);
    this.counts = next.counts;
    const keys = new Map(next.ids.map((id, i) => [id, next.keys[i]]));
    if (held) this.#wait(keys);
    else this.#take(next.ids, keys);
  }

  #take(ids: readonly string[], keys: Map<string, unknown>): void {
    this.ids = ids;
    this.#keys = keys;
    this.#leaving.clear();
    this.waiting = 0;
    this.#last.clear();
    for (const id of ids) {
      const row = this.table.visible.get(id);
      if (row) this.#last.set(id, row);
    }
  }

  #wait(next: Map<string, unknown>): void {
    this.#leaving = new Set(this.ids.filter((id) => !next.has(id)));
    let waiting = this.#leaving.size;
    for (const [id, key] of next) {
      if (!this.#keys.has(id) || this.#keys.get(id) !== key) waiting++;
    }
    this.waiting = waiting;
  }
}
