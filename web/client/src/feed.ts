// One subscription: snapshot pages, then live, then deltas that must tile.

import { SubscriptionRefused } from "./closing.ts";
import type { Filter } from "./filter.ts";
import type { Delta, Live, Position, Snap, SubRequest } from "./frames.ts";
import { Listeners } from "./listeners.ts";
import type { Phase, StaleReason, Subscription, SubscriptionEvent } from "./subscription.ts";
import type { Table } from "./table.ts";
import type { Kind } from "./topics.ts";

/**
 * What the caller must do after a frame: nothing, ask again from the position
 * (a gap), or ask for a whole snapshot (the position is worth nothing).
 */
export type Verdict = "ok" | "gap" | "restart";

/** What a subscription is made with. */
export interface Wanted {
  readonly topic: string;
  readonly filter: Filter;
  readonly maxHz: number | undefined;
}

/** A Subscription, and how frames act on it. */
export class Feed<R> implements Subscription<R> {
  sid = 0;
  /** After a reset the server sends a snapshot by itself; true until its first page. */
  awaitingSnapshot = false;
  readonly table: Table<R>;
  #phase: Phase = "waiting";
  #refusal: SubscriptionRefused | null = null;
  #position: Position | null = null;
  /** The furthest position of the epoch: the state never goes back behind it. */
  #furthest: Pick<Position, "epoch" | "seq"> = { epoch: "", seq: 0 };
  #staged: Map<string, R> | null = null;
  #page = 0;
  #more = false;
  #epoch = "";
  #first = true;
  /** How often it was suspended or closed: a listener may do that in the middle of a frame. */
  #ends = 0;
  #loaded = false;
  readonly #listeners = new Listeners<SubscriptionEvent<R>>();
  readonly #wanted: Wanted;
  readonly #kind: Kind<R>;
  readonly #onClose: (feed: Feed<R>) => void;

  constructor(wanted: Wanted, kind: Kind<R>, table: Table<R>, onClose: (feed: Feed<R>) => void = () => {}) {
    this.table = table;
    this.#wanted = wanted;
    this.#kind = kind;
    this.#onClose = onClose;
  }

  get topic(): string {
    return this.#wanted.topic;
  }

  get filter(): Filter {
    return this.#wanted.filter;
  }

  get rows(): ReadonlyMap<string, R> {
    return this.table.rows;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get refusal(): SubscriptionRefused | null {
    return this.#refusal;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get position(): Position | null {
    return this.#position;
  }

  /** True until the first delta after live: that one may cover a long absence, so its age says nothing about lag. */
  get catchingUp(): boolean {
    return this.#first;
  }

  listen(run: (event: SubscriptionEvent<R>) => void): () => void {
    return this.#listeners.add(run);
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#ends++;
    this.#onClose(this);
  }

  /** The request to send under a new sid; frames of an older sid are foreign from now on. */
  request(sid: number): SubRequest {
    this.sid = sid;
    const { topic, filter, maxHz } = this.#wanted;
    return {
      sid, topic,
      ...(Object.keys(filter).length > 0 && { filter }),
      ...(maxHz !== undefined && { max_hz: maxHz }),
      ...(this.#position && { since: this.#position }),
    };
  }

  /** Nothing can come for now; rows and position stay. */
  suspend(reason: StaleReason, code = ""): void {
    const announce = this.#phase === "live" || reason === "reset";
    if (this.#phase === "live") this.#phase = "waiting";
    this.#ends++;
    this.awaitingSnapshot = false;
    this.#staged = null;
    this.#page = 0;
    if (announce) this.#emit({ type: "stale", reason, code });
  }

  /** Gives up the position, so that the next request brings a snapshot. Rows stay until it is whole. */
  forget(): void {
    this.#position = null;
  }

  refuse(error: SubscriptionRefused): void {
    this.suspend("error", error.code);
    if (this.#phase === "closed") return;
    this.#phase = "refused";
    this.#refusal = error;
    this.#emit({ type: "refused", error });
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
    for (const wire of frame.rows) {
      const row = this.#kind.parse(wire);
      this.#staged.set(this.#kind.key(row), row);
    }
    return "ok";
  }

  live(frame: Live): Verdict {
    if (this.#phase === "live") return "gap"; // of a snapshot that nobody waited for, such as an old one
    return frame.resumed ? this.#resumed(frame) : this.#snapshotted(frame);
  }

  delta(frame: Delta): Verdict {
    if (this.#phase !== "live" || !this.#position) return "ok"; // covered by the live to come
    if (frame.p !== this.#position.seq) return "gap";
    const put = frame.put.map((row) => this.#kind.parse(row));
    this.#stand({ ...this.#position, seq: frame.q });
    this.#first = false;
    this.table.apply(put, frame.drop);
    this.#emit({ type: "change", put, drop: frame.drop });
    return "ok";
  }

  /** Checks what a heartbeat says was sent against what has arrived. It names only what the server has said to be live. */
  sent(seq: number): Verdict {
    return this.#phase === "live" && this.#position?.seq === seq ? "ok" : "gap";
  }

  /** The server starts over by itself. */
  reset(code: string): void {
    this.forget();
    this.suspend("reset", code);
    this.awaitingSnapshot = true;
    if (code !== "authz") return;
    this.table.clear();
    this.#emit({ type: "cleared" });
  }

  // A resumed subscription keeps its own position: the delta that follows tiles from it.
  #resumed(frame: Live): Verdict {
    const at = this.#position;
    if (!at || frame.epoch !== at.epoch || frame.shape !== at.shape || frame.q !== at.seq) return "restart";
    this.#enter(true);
    return "ok";
  }

  #snapshotted(frame: Live): Verdict {
    const rows = this.#staged ?? new Map<string, R>();
    const whole = this.#staged === null || (!this.#more && frame.epoch === this.#epoch);
    if (!whole || (frame.rows !== undefined && frame.rows !== rows.size)) return "restart";
    if (frame.epoch === this.#furthest.epoch && frame.q < this.#furthest.seq) return "restart";
    const before = this.table.rows;
    const after = this.#kind.past ? rows : new Map([...before, ...rows]);
    const ends = this.#ends;
    this.#stand({ epoch: frame.epoch, seq: frame.q, shape: frame.shape });
    this.table.replace(after);
    this.#emit({ type: "snapshot", rows: after, before });
    if (ends === this.#ends) this.#enter(false);
    return "ok";
  }

  #stand(at: Position): void {
    this.#position = at;
    this.#furthest = at;
  }

  #enter(resumed: boolean): void {
    this.#staged = null;
    this.#first = true;
    this.#phase = "live";
    this.#loaded = true;
    this.awaitingSnapshot = false;
    this.#emit({ type: "live", resumed });
  }

  #emit(event: SubscriptionEvent<R>): void {
    if (this.#phase !== "closed") this.#listeners.emit(event);
  }
}
