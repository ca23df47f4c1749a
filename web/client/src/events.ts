// What a client tells of itself.

import type { ConnectionClosed } from "./closing.ts";
import type { ProtocolError } from "./fields.ts";

/**
 * connecting: on the way to a welcome; open: welcomed; waiting: until the next
 * try; stopped: closed for good, by a code that is not retried, or by stop;
 * signin: a person must give a token.
 */
export type LinkState = "connecting" | "open" | "waiting" | "stopped" | "signin";

/** What happens to a client. */
export type ClientEvent =
  /** The link is in another state, for the reason in the client's `why`. */
  | { readonly type: "link"; readonly link: LinkState }
  /** A connection was closed; the client comes back unless `error.retry` is false. */
  | { readonly type: "closed"; readonly error: ConnectionClosed }
  /** The server sent what cannot be read. The client connects anew, from where it was. */
  | { readonly type: "protocol"; readonly error: ProtocolError }
  /** The server refused something that is of no subscription. */
  | { readonly type: "error"; readonly code: string; readonly message: string }
  /** Something else than the link has changed: a subscription's phase, or whether a token is wanted. */
  | { readonly type: "changed" };
