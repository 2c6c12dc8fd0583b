// Handlers of every kind, for a FastCgiServer and for a FastCgiHttpService. What a handler does is data; what it has done is in a Call.

import fc from "fast-check";
import type { ByteReader, FastCgiFetchHandler, FastCgiHandler, FastCgiResponse } from "../../src/toolkit.ts";
import { pause } from "./clock.ts";
import { anySize } from "./mutations.ts";

/** What a handler does with the request's body before it answers. */
const BODY_HABITS = ["ignores", "reads", "reads one piece", "cancels", "reads meanwhile", "clones"] as const;

/** What a handler answers. */
const GOOD_ANSWERS = ["whole", "empty body", "pieces", "slow pieces", "echo", "wraps the body"] as const;
const BAD_ANSWERS = [
  "throws",
  "nonsense",
  "nothing",
  "never",
  "waits for the abort",
  "fails first",
  "fails midway",
  "fails slowly",
  "stops midway",
  "no bytes",
  "too short",
  "too long",
  "used body",
] as const;

/** What a handler does for one request. */
export interface Plan {
  readonly body: (typeof BODY_HABITS)[number];
  readonly answer: (typeof GOOD_ANSWERS)[number] | (typeof BAD_ANSWERS)[number];
  /** Pieces of the response, and bytes in each. */
  readonly pieces: number;
  readonly size: number;
  /** Milliseconds before it answers; 0 answers in the same turn, or the next for handlers that read. */
  readonly delay: number;
  readonly stderr: "none" | "text" | "stream" | "failing stream";
  readonly background: "none" | "resolves" | "rejects";
  /** How the response's stream is cancelled. */
  readonly cancel: "resolves" | "throws" | "never resolves";
}

/** Plans by which a request is answered in full, and soon. */
export const goodPlan: fc.Arbitrary<Plan> = fc.record({
  body: fc.constantFrom("ignores", "reads", "reads meanwhile", "clones"),
  answer: fc.constantFrom(...GOOD_ANSWERS),
  pieces: fc.nat(4),
  size: anySize,
  delay: fc.constantFrom(0, 0, 1, 50),
  stderr: fc.constantFrom("none", "text", "stream"),
  background: fc.constantFrom("none", "resolves"),
  cancel: fc.constant("resolves"),
});

/** Plans of all kinds. */
export const anyPlan: fc.Arbitrary<Plan> = fc.record({
  body: fc.constantFrom(...BODY_HABITS),
  answer: fc.constantFrom(...GOOD_ANSWERS, ...BAD_ANSWERS),
  pieces: fc.nat(4),
  size: anySize,
  delay: fc.constantFrom(0, 0, 1, 2_000, 700_000),
  stderr: fc.constantFrom("none", "none", "text", "stream", "failing stream"),
  background: fc.constantFrom("none", "resolves", "rejects"),
  cancel: fc.constantFrom("resolves", "throws", "never resolves"),
});

/** What became of a stream that a handler has given. */
type StreamState = "open" | "ended" | "failed" | "cancelled";

/** One call of a handler. */
export class Call {
  readonly number: number;
  readonly requestId: number;
  /** What the request calls itself; undefined where its params don't say. */
  readonly nonce: string | undefined;
  readonly plan: Plan;
  readonly signal: AbortSignal;
  readonly method: string | undefined;
  /** The bytes of the body that the library has taken so far; null where it passes the request's own body on. */
  produced: Uint8Array[] | null = [];
  /** Streams that were given to the library. */
  readonly streams: { state: StreamState }[] = [];
  /** Promises that the library has to settle: reads of the request's streams. */
  waiting = 0;
  /** The request's body, where all of it was read. */
  received: Uint8Array | null = null;
  /** Whether a response was begun that has no end. */
  failed = false;
  isAnswered = false;
  /** Whether the handler has given its response, or failed. */
  isSettled = false;

  constructor(number: number, requestId: number, params: ReadonlyMap<string, string>, plan: Plan, signal: AbortSignal) {
    this.number = number;
    this.requestId = requestId;
    this.nonce = params.get("NONCE");
    this.method = params.get("REQUEST_METHOD");
    this.plan = plan;
    this.signal = signal;
  }

  /** Bytes that no other call writes. */
  mark(size: number): Uint8Array {
    return marked(`<${this.number}>`, size);
  }

  /** Waits for a promise of the library's. */
  async awaits<T>(promise: Promise<T>): Promise<T> {
    this.waiting++;
    try {
      return await promise;
    } finally {
      this.waiting--;
    }
  }

  /** Whether every stream that was given to the library is through, and every promise of its is settled. */
  get leftovers(): string | null {
    const open = this.streams.filter(({ state }) => state === "open").length;
    if (open > 0) return `${open} streams of call ${this.number} (${this.plan.answer}) are neither read nor cancelled`;
    return this.waiting > 0 ? `${this.waiting} reads of call ${this.number} (${this.plan.body}) never settle` : null;
  }

  /** A stream that notes what becomes of it. */
  stream(give: (controller: ReadableStreamDefaultController<Uint8Array>) => void | Promise<void>, isOutput: boolean) {
    const stream: { state: StreamState } = { state: "open" };
    this.streams.push(stream);
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const noting = {
            enqueue: (piece: Uint8Array) => {
              if (stream.state !== "open") return;
              if (isOutput) this.produced!.push(piece);
              controller.enqueue(piece);
            },
            close: () => {
              if (stream.state !== "open") return;
              stream.state = "ended";
              controller.close();
            },
          };
          try {
            await give(noting as ReadableStreamDefaultController<Uint8Array>);
          } catch (error) {
            if (stream.state === "open") stream.state = "failed";
            throw error;
          }
        },
        cancel: () => {
          if (stream.state === "open") stream.state = "cancelled";
          if (this.plan.cancel === "throws") throw new Error("This stream can't be cancelled");
          return this.plan.cancel === "resolves" ? undefined : new Promise(() => {});
        },
      },
      { highWaterMark: 0 },
    );
  }
}

/** `size` bytes that consist of `mark`. */
export function marked(mark: string, size: number): Uint8Array {
  return new TextEncoder().encode(mark.repeat(Math.ceil(size / mark.length)).slice(0, size));
}

/** The calls of all handlers of a server, and what they wait for. */
export class Calls {
  readonly all: Call[] = [];
  readonly #plans: readonly Plan[];
  readonly #forgotten: (() => void)[] = [];
  #isOver = false;

  constructor(plans: readonly Plan[]) {
    this.#plans = plans;
  }

  /** A handler was called. The request says by its nonce which plan is its own; one that has lost it takes the next. */
  begin(requestId: number, params: ReadonlyMap<string, string>, signal: AbortSignal): Call {
    const number = this.all.length;
    const wanted = Number(/^r(\d+)$/.exec(params.get("NONCE") ?? "")?.[1] ?? number);
    const call = new Call(number, requestId, params, this.#plans[wanted % this.#plans.length]!, signal);
    this.all.push(call);
    return call;
  }

  /** What never settles, until the end of the conversation. */
  never(): Promise<void> {
    return this.#isOver ? Promise.resolve() : new Promise((resolve) => this.#forgotten.push(resolve));
  }

  /** Lets those settle that never do. */
  releaseAll(): void {
    this.#isOver = true;
    for (const resolve of this.#forgotten.splice(0)) resolve();
  }
}

class HandlerError extends Error {}

async function useBody(call: Call, stdin: () => ReadableStream<Uint8Array>): Promise<void> {
  switch (call.plan.body) {
    case "reads":
      return readAll(call, stdin());
    case "reads one piece": {
      const reader = stdin().getReader();
      await call.awaits(reader.read());
      reader.releaseLock();
      return;
    }
    case "cancels":
      await call.awaits(stdin().cancel("not wanted"));
      return;
    case "reads meanwhile":
      readAll(call, stdin()).catch(() => {});
  }
}

async function readAll(call: Call, stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await call.awaits(reader.read());
    if (done) break;
    pieces.push(value.slice());
  }
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  call.received = all;
}

/** The body of a response, as its plan has it. `stdin` is taken by those that pass it on. */
function bodyOf(
  call: Call,
  calls: Calls,
  stdin: () => ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> | Uint8Array {
  const { answer, pieces, size } = call.plan;
  let given = 0;
  switch (answer) {
    case "whole":
      call.produced!.push(call.mark(pieces * size));
      return call.produced![0]!;
    case "echo":
      call.produced = null;
      return stdin();
    case "wraps the body": {
      const reader = stdin().getReader();
      return call.stream(async (controller) => {
        const { done, value } = await call.awaits(reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      }, true);
    }
    case "pieces":
    case "slow pieces":
      return call.stream(async (controller) => {
        if (answer === "slow pieces") await pause(10);
        if (given++ === pieces) controller.close();
        else controller.enqueue(call.mark(size));
      }, true);
    case "fails first":
    case "fails midway":
    case "fails slowly":
      call.failed = true;
      return call.stream(async (controller) => {
        if (answer === "fails slowly") await pause(10);
        if (answer === "fails first" || given++ > pieces) throw new HandlerError("The response failed");
        controller.enqueue(call.mark(size));
      }, true);
    case "stops midway":
      call.failed = true;
      return call.stream(async (controller) => {
        if (given++ <= pieces) return controller.enqueue(call.mark(size));
        await calls.never();
        throw new HandlerError("The response failed");
      }, true);
    case "no bytes":
      call.failed = true;
      return call.stream((controller) => controller.enqueue("text" as unknown as Uint8Array), true);
    default:
      return new Uint8Array(0);
  }
}

/** What both kinds of handlers do before they answer. */
async function prepare(call: Call, calls: Calls, stdin: () => ReadableStream<Uint8Array>): Promise<void> {
  const { answer, delay } = call.plan;
  const passesOn = answer === "echo" || answer === "wraps the body";
  if (!passesOn) await useBody(call, stdin);
  if (delay > 0) await pause(delay);
  if (answer === "throws") throw new HandlerError("The handler failed");
  if (answer === "never") await calls.never();
  if (answer === "waits for the abort") {
    const aborted = new Promise<void>((_, reject) => {
      const fail = (): void => reject(call.signal.reason);
      if (call.signal.aborted) fail();
      else call.signal.addEventListener("abort", fail);
    });
    await Promise.race([aborted, calls.never()]);
  }
}

/** Whether a plan answers in the turn in which it is called. */
function isSync({ body, delay, answer }: Plan): boolean {
  return (
    (body === "ignores" || body === "clones") && delay === 0 && answer !== "never" && answer !== "waits for the abort"
  );
}

/** Runs a handler as its plan says. */
function run<Answer>(
  call: Call,
  calls: Calls,
  stdin: () => ReadableStream<Uint8Array>,
  respond: () => Answer,
): Answer | Promise<Answer> {
  if (!isSync(call.plan))
    return prepare(call, calls, stdin)
      .then(respond)
      .finally(() => {
        call.isSettled = true;
      });
  call.isSettled = true;
  return respond();
}

function background({ plan }: Call, waitUntil: (promise: Promise<void>) => void): void {
  if (plan.background === "none") return;
  const work = pause(20).then(() => {
    if (plan.background === "rejects") throw new HandlerError("The background failed");
  });
  waitUntil(work);
}

/** Text that no other call writes to stderr, in the form of its plan. */
function stderrOf(call: Call): Pick<FastCgiResponse, "stderr"> {
  let given = 0;
  switch (call.plan.stderr) {
    case "none":
      return {};
    case "text":
      return { stderr: call.mark(30) };
    default:
      return {
        stderr: call.stream(async (controller) => {
          if (given++ < 2) controller.enqueue(call.mark(30));
          else if (call.plan.stderr === "stream") controller.close();
          else throw new HandlerError("The log failed");
        }, false),
      };
  }
}

/** The header that names the call which has answered. */
export function headerOf(call: Call): string {
  return `Status: 200 OK\r\nX-Call: ${call.number}\r\n\r\n`;
}

/** Handlers for a FastCgiServer. */
export function plannedHandler(calls: Calls): FastCgiHandler {
  return (request, context) => {
    const call = calls.begin(request.requestId, request.params, request.signal);
    const respond = (): FastCgiResponse => {
      if (call.plan.answer === "throws") throw new HandlerError("The handler failed");
      background(call, (promise) => context.waitUntil(promise, request));
      const header = new TextEncoder().encode(headerOf(call));
      switch (call.plan.answer) {
        case "nonsense":
          return { stdout: [header, 42 as unknown as Uint8Array], ...stderrOf(call) };
        case "nothing":
          return null as unknown as FastCgiResponse;
        default:
          return {
            stdout: [
              header,
              sourceOf(
                call,
                bodyOf(call, calls, () => request.stdin),
              ),
            ],
            ...stderrOf(call),
          };
      }
    };
    return run(call, calls, () => request.stdin, respond);
  };
}

/** The body as a program may give it: of every second call a reader. */
function sourceOf(call: Call, body: ReadableStream<Uint8Array> | Uint8Array): Uint8Array | ReadableStream | ByteReader {
  return body instanceof Uint8Array || call.number % 2 === 0 ? body : (body.getReader() as ByteReader);
}

/** Handlers for a FastCgiHttpService. */
export function plannedFetchHandler(calls: Calls): FastCgiFetchHandler {
  return (request, context) => {
    const call = calls.begin(context.requestId, context.params, request.signal);
    const stdin = (): ReadableStream<Uint8Array> => request.body ?? new Response("").body!;
    const respond = (): Response => {
      if (call.plan.answer === "throws") throw new HandlerError("The handler failed");
      background(call, context.waitUntil);
      if (call.plan.stderr !== "none") context.stderr.write(call.mark(30));
      const headers: Record<string, string> = { "x-call": `${call.number}` };
      switch (call.plan.answer) {
        case "nonsense":
          return Response.error();
        case "nothing":
          return undefined as unknown as Response;
        case "too short":
        case "too long": {
          const length = call.plan.answer === "too short" ? 200 : 50;
          const body = call.stream((controller) => {
            if (call.produced!.length === 0) controller.enqueue(call.mark(100));
            else controller.close();
          }, true);
          call.failed = true;
          return new Response(body, { headers: { ...headers, "content-length": `${length}` } });
        }
        case "used body": {
          const response = new Response("used", { headers });
          void response.text();
          return response;
        }
      }
      const body = bodyOf(call, calls, stdin);
      return new Response(body as BodyInit, { headers });
    };
    if (call.plan.body === "clones" && !request.bodyUsed)
      void readAll(call, request.clone().body ?? new Response("").body!).catch(() => {});
    return run(call, calls, stdin, respond);
  };
}
