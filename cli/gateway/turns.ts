// Node gives a handler all requests that a client of HTTP/1 has pipelined at once, and keeps all responses until the first one is sent. A client
// that reads nothing would so have a file or a worker for each of thousands of requests. Here they take turns, as with nginx.

import type { Socket } from "node:net";
import type { ServerRequest } from "srvx";

/** Requests that wait on a connection before no more of it is read. What was read with them waits too: one piece of 64 KiB. */
const MAX_WAITING = 16;

type Fetch = (request: ServerRequest) => Response | Promise<Response>;

/** Calls a handler with a request of HTTP/1 when the responses before it have been sent (RFC 9112 9.3.2). */
export function inTurn(fetch: Fetch): Fetch {
  const counts = new WeakMap<Socket, number>();
  return (request) => {
    const { req, res } = request.runtime?.node ?? {};
    // The response has the socket when it is its turn. By HTTP/2, all have their own streams.
    if (req === undefined || res === undefined || req.httpVersionMajor !== 1 || res.socket !== null)
      return fetch(request);
    const { socket } = req;
    const count = (change: 1 | -1): number => {
      const waiting = (counts.get(socket) ?? 0) + change;
      counts.set(socket, waiting);
      return waiting;
    };
    if (count(1) >= MAX_WAITING) {
      // Node lets the socket go on at the end of each request (`readStart`), so this must come behind it.
      queueMicrotask(() => {
        if ((counts.get(socket) ?? 0) >= MAX_WAITING) socket.pause();
      });
    }
    // Without an end if the client leaves: then nothing holds the promise.
    return new Promise((resolve) => {
      res.once("socket", () => {
        if (count(-1) < MAX_WAITING) socket.resume();
        resolve(fetch(request));
      });
    });
  };
}
