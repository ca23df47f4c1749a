// What a user of the client sees of a subscription.

import type { SubscriptionRefused } from "./closing.ts";
import type { Filter } from "./filter.ts";
import type { Position } from "./frames.ts";
import type { Table } from "./table.ts";

/**
 * waiting: not live on this connection, rows are as of the position;
 * live: every change up to the position has been applied;
 * refused: the server said no, for the reason in `refusal`;
 * closed: its user closed it.
 */
export type Phase = "waiting" | "live" | "refused" | "closed";

/**
 * Why rows are stale. lost: the connection is; gap: a frame was missing;
 * restart: what came did not fit, so a snapshot was asked for; reset: the
 * server starts over, for the reason in `code`; error: the server could not go
 * on, for the reason in `code`.
 */
export type StaleReason = "lost" | "gap" | "restart" | "reset" | "error";

/** What happens to a subscription. Between two changes without a stale in between nothing was missed. */
export type SubscriptionEvent<R> =
  /** The rows of a delta were put, and those of the keys dropped. */
  | { readonly type: "change"; readonly put: readonly R[]; readonly drop: readonly string[] }
  /** A whole snapshot took the place of the rows before. */
  | { readonly type: "snapshot"; readonly rows: ReadonlyMap<string, R>; readonly before: ReadonlyMap<string, R> }
  /** The rows are gone: the right to see them is in doubt. */
  | { readonly type: "cleared" }
  /** The rows are as of the position, and may have been overtaken. */
  | { readonly type: "stale"; readonly reason: StaleReason; readonly code: string }
  /** Every change comes in from here on; resumed when the rows stayed. */
  | { readonly type: "live"; readonly resumed: boolean }
  /** Nothing more comes. */
  | { readonly type: "refused"; readonly error: SubscriptionRefused };

/** The rows of a topic that match a filter, kept at what the server has. */
export interface Subscription<R> {
  readonly topic: string;
  readonly filter: Filter;
  readonly table: Table<R>;
  /** The rows by key, of the newest state: for orders, shipments and counts the key is the id. */
  readonly rows: ReadonlyMap<string, R>;
  readonly phase: Phase;
  /** Why the server said no, when it did. */
  readonly refusal: SubscriptionRefused | null;
  /** True once rows have been shown: from then on nothing goes blank. */
  readonly loaded: boolean;
  /** Where it stands; null before the first snapshot and after a reset. */
  readonly position: Position | null;
  /** Calls back with every event; returns what ends that. */
  listen(run: (event: SubscriptionEvent<R>) => void): () => void;
  /** Ends it; the rows stay as they are. */
  close(): void;
}
