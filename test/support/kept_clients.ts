import { once } from "node:events";
import { connect } from "node:net";

/** What became of the requests of clients that keep their connections. */
export interface KeptOutcome {
  readonly answered: number;
  /** What came, or what broke, instead of an answer: the first few. */
  readonly failures: readonly string[];
}

/** Failures that are kept: the rest is like them. */
const MAX_FAILURES = 20;

/**
 * Sends so many GET requests on some connections, one behind the other on each. The target of each has its number, and so must its
 * answer: `answerOf` says how. The bytes are compared as they come, because clients that parse them take most of the time.
 */
export async function keepAsking(
  port: number,
  { requests, connections }: { requests: number; connections: number },
  answerOf: (id: number) => string,
): Promise<KeptOutcome> {
  let next = 0;
  let answered = 0;
  const failures: string[] = [];
  const fail = (id: number, what: string): void => {
    if (failures.length < MAX_FAILURES) failures.push(`${id}: ${what}`);
  };
  const client = async (): Promise<void> => {
    while (next < requests) {
      // A connection that was broken is replaced; its request counts as lost.
      const socket = connect(port, "127.0.0.1").setNoDelay().setEncoding("latin1");
      await once(socket, "connect");
      await new Promise<void>((resolve) => {
        let id = -1;
        let received = "";
        const ask = (): void => {
          received = "";
          id = next < requests ? ++next : -1;
          if (id < 0) socket.end();
          else socket.write(`GET /${id} HTTP/1.1\r\nHost: example.test\r\n\r\n`);
        };
        socket.on("data", (piece: string) => {
          received += piece;
          const body = bodyOf(received);
          if (body === undefined) return;
          if (received.startsWith("HTTP/1.1 200 ") && body === answerOf(id)) answered++;
          else fail(id, received);
          // Web servers end a connection after some hundreds of requests, and say so.
          if (!/^connection: close\r$/im.test(received)) return ask();
          id = -1;
          socket.end();
        });
        socket.on("error", (error) => (received += ` ${error.message}`));
        socket.on("close", () => {
          if (id >= 0) fail(id, `the connection was closed after "${received}"`);
          resolve();
        });
        ask();
      });
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  return { answered, failures };
}

/** The body of a response once it is whole. */
function bodyOf(received: string): string | undefined {
  const head = received.indexOf("\r\n\r\n");
  if (head < 0) return undefined;
  const body = received.slice(head + 4);
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(received.slice(0, head + 2))?.[1];
  if (length !== undefined) return body.length >= Number(length) ? body : undefined;
  if (!body.endsWith("0\r\n\r\n")) return undefined;
  // Short enough for one chunk.
  return /^[0-9a-f]+\r\n(.*)\r\n0\r\n\r\n$/is.exec(body)?.[1] ?? body;
}
