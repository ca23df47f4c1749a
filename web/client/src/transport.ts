// What the client needs of a way to the server.

import type { ClientFrame, Greeting } from "./frames.ts";

/** How a link ended. */
export interface Ending {
  /** A close code, of the server or of the network. */
  readonly code: number;
  readonly reason: string;
  /** How long the server wants to be left alone, if it said so. */
  readonly afterMs?: number;
}

/** What comes from a link. Nothing follows a closed. */
export interface LinkEvents {
  /** One message, of one or more frames. */
  message(data: unknown): void;
  closed(end: Ending): void;
}

/** One connection. */
export interface Link {
  /** Says whether frames can be sent. If not, what changes is asked for with a new link. */
  readonly duplex: boolean;
  send(frame: ClientFrame): void;
  /** Ends it without another event. */
  close(): void;
}

/** Opens a link, which greets as soon as it can. */
export type Transport = (greeting: () => Greeting, on: LinkEvents) => Link;

/** The ways there are. */
export type TransportName = "websocket" | "sse";
