// One subscription: snapshot pages, then live, then deltas that must tile.

import type { Delta, Live, Position, Snap, SubRequest, WireFilter, WireRow } from "./protocol.ts";
import type { Row } from "./rows.ts";
import type { Table } from "./table.ts";

/**
 * What the caller must do after a frame: nothing, ask again from the position
 * (a gap), or ask for a whole snapshot (the position is worth nothing).
 */
export type Verdict = "ok" | "gap" | "restart";

/**
 * waiting: not live on this connection, rows are as of the position;
 * live: every change up to the position has been applied;
 * refused: the server said no, for the reason in `refusal`.
 */
export type Phase = "waiting" | "live" | "refused";

export class Subscription<R extends Row> {
  sid = 0;
  phase: Phase = "waiting";
  refusal = "";
  /** True once a snapshot has been shown: from then on nothing goes blank. */
  loaded = false;
  /** After a reset the server sends a snapshot by itself; true until its first page. */
  awaitingSnapshot = false;
  #position: Position | null = null;
  #staged: Map<string, R> | null = null;
  #page = 0;
  #more = false;
  #epoch = "";
  #first = true;

  constructor(
    readonly topic: string,
    readonly filter: WireFilter,
    readonly table: Table<R>,
    readonly parse: (row: WireRow) => R,
  ) {}

  get position(): Position | null {
    return this.#position;
  }

  /** The request to send under a new sid; frames of an older sid are foreign from now on. */
  request(sid: number): SubRequest {
    this.sid = sid;
    this.suspend();
    const base = { sid, topic: this.topic, filter: this.filter };
    return this.#position ? { ...base, since: this.#position } : base;
  }

  /** The connection is gone; rows and position stay. */
  suspend(): void {
    if (this.phase !== "refused") this.phase = "waiting";
    this.awaitingSnapshot = false;
    this.#staged = null;
    this.#page = 0;
  }

  /** Gives up the position, so that the next request brings a snapshot. Rows stay until it is whole. */
  forget(): void {
    this.#position = null;
  }

  refuse(reason: string): void {
    this.phase = "refused";
    this.refusal = reason;
  }

  snap(frame: Snap): Verdict {
    if (frame.page === 1) {
      this.#staged = new Map();
      this.#epoch = frame.epoch;
      this.awaitingSnapshot = false;
    } else if (!this.#staged || frame.page !== this.#page + 1 || frame.epoch !== this.#epoch) {
      return "restart";
    }
    this.#page = frame.page;
    this.#more = frame.more;
    for (const wire of frame.rows) this.#staged.set(wire.id, this.parse(wire));
    return "ok";
  }

  live(frame: Live): Verdict {
    return frame.resumed ? this.#resumed(frame) : this.#snapshotted(frame);
  }

  delta(frame: Delta): Verdict {
    if (this.phase !== "live" || !this.#position) return "ok"; // covered by the live to come
    if (frame.p !== this.#position.seq) return "gap";
    this.table.apply(frame.u.map(this.parse), frame.r);
    this.#position = { ...this.#position, seq: frame.q };
    this.#first = false;
    return "ok";
  }

  /** Checks what a heartbeat says was sent against what has arrived. */
  sent(seq: number): Verdict {
    return this.phase === "live" && this.#position?.seq !== seq ? "gap" : "ok";
  }

  /** True until the first delta after live: that one may cover a long absence, so its age says nothing about lag. */
  get catchingUp(): boolean {
    return this.#first;
  }

  reset(): void {
    this.suspend();
    this.forget();
    this.awaitingSnapshot = true;
  }

  // A resumed subscription keeps its own position: the delta that follows tiles from it.
  #resumed(frame: Live): Verdict {
    const at = this.#position;
    if (!at || frame.epoch !== at.epoch || frame.shape !== at.shape) return "restart";
    return this.#enter(at);
  }

  #snapshotted(frame: Live): Verdict {
    const rows = this.#staged ?? new Map<string, R>();
    const whole = this.#staged === null || (!this.#more && frame.epoch === this.#epoch);
    if (!whole || (frame.rows !== undefined && frame.rows !== rows.size)) return "restart";
    this.table.replace(rows);
    return this.#enter({ epoch: frame.epoch, seq: frame.q, shape: frame.shape });
  }

  #enter(at: Position): Verdict {
    this.#position = at;
    this.#staged = null;
    this.#first = true;
    this.phase = "live";
    this.loaded = true;
    this.awaitingSnapshot = false;
    return "ok";
  }
}
