// How far the rows on the screen may be trusted, as one word.

import type { Connection } from "./connection.ts";
import type { Row } from "./rows.ts";
import type { ServerClock } from "./serverclock.ts";
import type { Subscription } from "./subscription.ts";

/**
 * connecting: nothing has been shown yet; live: every committed change is in;
 * lagging: the server is behind its own commits; reconnecting: rows are as of
 * the last frame; frozen: the socket was open but silent; paused: held by the
 * person; refused, stopped, signin: nothing more comes without a person.
 */
export type State =
  | "connecting" | "live" | "lagging" | "reconnecting" | "frozen" | "paused" | "refused" | "stopped" | "signin";

/** Behind by more than this, data is called lagging. */
export const lagLimitMs = 3_000;

type ConnectionFacts = Pick<Connection, "link" | "frozen"> & { readonly clock: Pick<ServerClock, "lagMs"> };
type SubscriptionFacts = Pick<Subscription<Row>, "phase" | "loaded">;

/** The state of the data as it comes in, whether the screen is paused or not. */
export function linkState(connection: ConnectionFacts, sub: SubscriptionFacts, now: number): State {
  if (connection.link === "stopped" || connection.link === "signin") return connection.link;
  if (connection.frozen) return "frozen";
  if (connection.link !== "open") return sub.loaded ? "reconnecting" : "connecting";
  if (sub.phase === "refused") return "refused";
  if (sub.phase === "waiting") return sub.loaded ? "reconnecting" : "connecting";
  return connection.clock.lagMs(now) > lagLimitMs ? "lagging" : "live";
}

const final = new Set<State>(["refused", "stopped", "signin"]);

/** The state of what the screen shows: a pause covers all that passes by itself. */
export function shownState(link: State, paused: boolean): State {
  return paused && !final.has(link) ? "paused" : link;
}

/** True when rows on the screen may have been overtaken, so that they are dimmed. */
export function isStale(state: State): boolean {
  return state === "reconnecting" || state === "frozen" || state === "stopped" || state === "refused";
}
