// The application of the battery: served on every runtime, and what the client of every runtime talks to. Web standards only.

import { type FastCgiContext, type FastCgiFetchHandler, Role } from "../../../../src/index.ts";
import { checkPattern, patternStream } from "../../programs/pattern_stream.ts";
import { settled } from "./settled.ts";

/** What the application notices, as JSON. */
export type Notice = Readonly<Record<string, unknown>>;

type Route = (request: Request, context: FastCgiContext, query: URLSearchParams) => Response | Promise<Response>;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Makes the handler. `notice` is told what happens beside the responses. */
export function application(notice: (what: Notice) => void): FastCgiFetchHandler {
  const gates = new Gates();
  const counted: string[] = [];
  let flowed = 0;
  const routes: Readonly<Record<string, Route>> = {
    "/echo": ({ body }) => new Response(body),
    "/body": (request) => new Response(untilBodyEnds(request)),
    "/wait": ({ signal }) => new Response(untilAborted(signal, notice)),
    "/role": async (_, { role, data }) =>
      role === Role.Authorizer
        ? new Response(null, { headers: { "Variable-User": "somebody" } })
        : Response.json({ role, data: await checkPattern(data) }),
    "/throw": () => {
      throw new Error("The handler failed");
    },
    "/upload": async ({ body }) => new Response(String(await checkPattern(body!))),
    "/sha256": async (request) => new Response(await sha256(await request.arrayBuffer())),
    "/download": (_, __, query) => new Response(patternStream(Number(query.get("bytes")))),
    // As much as is taken, and how much that was when it stopped.
    "/flow": (_, __, query) => {
      flowed = 0;
      return new Response(
        patternStream(Number(query.get("bytes")), (bytes) => {
          flowed += bytes;
        }),
      );
    },
    "/stalled": async () => new Response(String(await settled(() => flowed))),
    // Reads nothing until it is let go.
    "/hold": async ({ body }, _, query) => {
      notice({ held: query.get("id") });
      await gates.of(query.get("id")).opened;
      return new Response(String(body === null ? 0 : await checkPattern(body)));
    },
    "/release": (_, __, query) => {
      gates.of(query.get("id")).open();
      return new Response(null, { status: 204 });
    },
    "/count": async (request, _, query) => {
      counted.push(query.get("n")!);
      return new Response(`${query.get("n")}: ${(await request.text()).length}`);
    },
    "/counted": () => {
      const numbers = counted.splice(0);
      return Response.json({ requests: numbers.length, different: new Set(numbers).size });
    },
  };
  return (request, context) => {
    const { pathname, searchParams } = new URL(request.url);
    const route = routes[pathname];
    return route === undefined ? new Response(`answered ${pathname}`) : route(request, context, searchParams);
  };
}

/** What requests wait for until another request comes; by name, whichever comes first. */
class Gates {
  readonly #gates = new Map<string | null, { opened: Promise<void>; open(): void }>();

  of(id: string | null): { opened: Promise<void>; open(): void } {
    let gate = this.#gates.get(id);
    if (gate === undefined) {
      let open!: () => void;
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      gate = { opened, open };
      this.#gates.set(id, gate);
    }
    return gate;
  }
}

/** Sends a line, and another when the request's body is over. */
function untilBodyEnds({ body }: Request): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(bytesOf("started\n"));
      let length = 0;
      for await (const piece of body!) length += piece.length;
      controller.enqueue(bytesOf(`${length} bytes\n`));
      controller.close();
    },
  });
}

/** Sends a line, and then nothing more until the request is aborted. */
function untilAborted(signal: AbortSignal, notice: (what: Notice) => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytesOf("started\n"));
      signal.addEventListener("abort", () => notice({ aborted: (signal.reason.cause as { code?: string }).code }));
    },
  });
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
