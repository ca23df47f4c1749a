// How far the rows on the screen may be trusted, as one word.

import type { ServerClock } from "./clock.ts";
import type { LinkState } from "./events.ts";
import type { Subscription } from "./subscription.ts";

/**
 * connecting: nothing has been shown yet; live: every committed change is in;
 * lagging: the server is behind its own commits; reconnecting: rows are as of
 * the last frame; frozen: the connection was open but silent; paused: held by the
 * person; refused, stopped, signin: nothing more comes without a person.
 */
export type State =
  | "connecting" | "live" | "lagging" | "reconnecting" | "frozen" | "paused" | "refused" | "stopped" | "signin";

/** Behind by more than this, data is called lagging. */
export const lagLimitMs = 3_000;

/** What is asked of a client. */
export interface LinkFacts {
  readonly link: LinkState;
  readonly frozen: boolean;
  readonly clock: Pick<ServerClock, "lagMs">;
}

/** The state of the data as it comes in, whether the screen is paused or not. */
export function linkState(client: LinkFacts, sub: Pick<Subscription<unknown>, "phase" | "loaded">, now: number): State {
  if (client.link === "stopped" || client.link === "signin") return client.link;
  if (client.frozen) return "frozen";
  if (client.link !== "open") return sub.loaded ? "reconnecting" : "connecting";
  if (sub.phase === "refused") return "refused";
  if (sub.phase === "closed") return "stopped";
  if (sub.phase === "waiting") return sub.loaded ? "reconnecting" : "connecting";
  return client.clock.lagMs(now) > lagLimitMs ? "lagging" : "live";
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
