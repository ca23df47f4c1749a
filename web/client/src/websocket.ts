// The way over a WebSocket.

import { SUBPROTOCOL, VERSION, type ClientFrame } from "./frames.ts";
import type { Transport } from "./transport.ts";

/** Takes an event. A method, so that a socket whose events say more fits too. */
type Handler<E> = { on(event: E): void }["on"] | null;

/** What the client needs of a WebSocket: the global one has it, and that of the package ws. */
export interface Socket {
  onopen: Handler<unknown>;
  onmessage: Handler<{ readonly data: unknown }>;
  onclose: Handler<{ readonly code: number; readonly reason: string }>;
  onerror: Handler<unknown>;
  send(data: string): void;
  close(code?: number): void;
}

/** Opens a socket with a subprotocol. */
export type OpenSocket = (url: string, protocol: string) => Socket;

const probeMs = 10_000; // how long a handshake may take that only tries the way

/** The way over sockets to a URL. The token goes in the first message, never in the address. */
export function webSocket(url: string, open: OpenSocket): Transport {
  return (greeting, on) => {
    const socket = open(url, SUBPROTOCOL);
    let greeted = false;
    const send = (frame: ClientFrame) => socket.send(JSON.stringify(frame));
    socket.onopen = () => {
      greeted = true;
      send({ t: "hello", v: VERSION, ...greeting() });
    };
    socket.onmessage = (event) => on.message(event.data);
    socket.onclose = (event) => on.closed({ code: event.code, reason: event.reason });
    socket.onerror = () => {}; // a close follows
    return { duplex: true, send: (frame) => { if (greeted) send(frame); }, close: () => hangUp(socket) };
  };
}

/** Tries whether a socket opens, and closes it again; returns what ends that without an answer. */
export function probe(url: string, open: OpenSocket, answer: (can: boolean) => void): () => void {
  const socket = opened(url, open);
  const end = () => {
    clearTimeout(timer);
    if (socket) hangUp(socket);
  };
  const say = (can: boolean) => {
    end();
    answer(can);
  };
  const timer = setTimeout(() => say(false), socket ? probeMs : 0);
  if (!socket) return end;
  socket.onopen = () => say(true);
  socket.onclose = () => say(false);
  socket.onerror = () => {};
  return end;
}

function opened(url: string, open: OpenSocket): Socket | null {
  try {
    return open(url, SUBPROTOCOL);
  } catch {
    return null; // there is none to open
  }
}

function hangUp(socket: Socket): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close(1000);
}
