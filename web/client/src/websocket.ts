// The way over a WebSocket.

import { SUBPROTOCOL, VERSION, type ClientFrame } from "./frames.ts";
import type { Transport } from "./transport.ts";

/** What the client needs of a WebSocket. */
export type Socket = Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose" | "onerror">;

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

/** Tries whether a socket opens, and closes it again. */
export function opens(url: string, open: OpenSocket): Promise<boolean> {
  return new Promise<boolean>((resolve) => {
    const socket = open(url, SUBPROTOCOL);
    const say = (can: boolean) => {
      clearTimeout(timer);
      hangUp(socket);
      resolve(can);
    };
    const timer = setTimeout(() => say(false), probeMs);
    socket.onopen = () => say(true);
    socket.onclose = () => say(false);
    socket.onerror = () => {};
  }).catch(() => false); // there is none to open
}

function hangUp(socket: Socket): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.close(1000);
}
