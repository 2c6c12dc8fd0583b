// Applications of every kind against a whole FastCgiClient and a FastCgiHttpClient: with and without kept and shared connections, with
// requests that are aborted at any moment, and bodies and readers of all kinds.

import fc from "fast-check";
import {
  type Connector,
  FastCgiClient,
  type FastCgiClientOptions,
  type FastCgiClientResponse,
  type FastCgiFetchEnd,
  FastCgiHttpClient,
  failover,
  Role,
  roundRobin,
} from "../../src/toolkit.ts";
import {
  type AnswerPlan,
  anyAnswer,
  anyConnect,
  Backend,
  type ConnectPlan,
  goodAnswer,
  goodConnect,
} from "./backends.ts";
import { type FakeClock, onFakeClock, pause, turns } from "./clock.ts";
import { marked } from "./handlers.ts";
import { anySize, textOf } from "./mutations.ts";
import type { Target } from "./target.ts";
import { must } from "./wire.ts";

/** One request, and what becomes of its response. */
interface RequestPlan {
  /** Milliseconds between the request before it and this one. */
  readonly wait: number;
  readonly method: "GET" | "PUT" | "POST";
  readonly role: number;
  readonly body: "none" | "text" | "stream" | "slow stream" | "failing stream" | "stalled stream" | "too short";
  readonly size: number;
  readonly reading: "all" | "slowly" | "cancels at once" | "cancels midway" | "never" | "the end only";
  /** When it is aborted: after some turns, or some milliseconds. */
  readonly abort: { readonly turns: number } | { readonly time: number } | null;
  /** What happens right behind it. */
  readonly next: "nothing" | "restart" | "close the client";
}

interface Scenario {
  /** Whether nothing goes wrong, so that every request has to be answered in full. */
  readonly isGood: boolean;
  readonly options: FastCgiClientOptions;
  readonly requests: readonly RequestPlan[];
  readonly connects: readonly ConnectPlan[];
  readonly answers: readonly AnswerPlan[];
  /** Whether the application keeps connections. */
  readonly keepsConnections: boolean;
  readonly buffering: "collect" | "measure" | "stream";
  readonly connector: "plain" | "failover" | "round robin" | "by key";
}

const modes: fc.Arbitrary<FastCgiClientOptions> = fc.constantFrom(
  {},
  { keepAlive: true },
  { keepAlive: true, reuseForAll: true },
  { multiplexing: true },
  { multiplexing: true, maxConcurrentRequests: 2, reuseForAll: true },
);

const connector = fc.constantFrom("plain", "plain", "failover", "round robin", "by key");

const goodRequest: fc.Arbitrary<RequestPlan> = fc.record({
  wait: fc.constantFrom(0, 0, 1, 200),
  method: fc.constantFrom("GET", "PUT", "POST"),
  role: fc.constant(Role.Responder as number),
  body: fc.constantFrom("none", "text", "stream", "slow stream"),
  size: anySize,
  reading: fc.constantFrom("all", "slowly"),
  abort: fc.constant(null),
  next: fc.constant("nothing"),
});

const anyRequest: fc.Arbitrary<RequestPlan> = fc.record({
  wait: fc.constantFrom(0, 0, 0, 1, 200, 9_000),
  method: fc.constantFrom("GET", "PUT", "POST"),
  role: fc.constantFrom(1, 1, 1, 2, 3),
  body: fc.constantFrom(
    "none",
    "none",
    "text",
    "stream",
    "slow stream",
    "failing stream",
    "stalled stream",
    "too short",
  ),
  size: anySize,
  reading: fc.constantFrom("all", "all", "slowly", "cancels at once", "cancels midway", "never", "the end only"),
  abort: fc.oneof(
    fc.constant(null),
    fc.constant(null),
    fc.record({ turns: fc.nat(6) }),
    fc.record({ time: fc.constantFrom(0, 1, 60, 1_000, 20_000) }),
  ),
  next: fc.constantFrom("nothing", "nothing", "nothing", "nothing", "restart", "close the client"),
});

const goodScenario: fc.Arbitrary<Scenario> = fc.record({
  isGood: fc.constant(true),
  options: fc
    .tuple(modes, fc.record({ maxConnections: fc.constantFrom(1, 2, 256), maxIdle: fc.constantFrom(0, 1, 8) }))
    .map(([mode, limits]) => ({ ...mode, ...limits })),
  requests: fc.array(goodRequest, { minLength: 1, maxLength: 6 }),
  connects: fc.array(goodConnect, { minLength: 1, maxLength: 2 }),
  answers: fc.array(goodAnswer, { minLength: 1, maxLength: 4 }),
  keepsConnections: fc.constant(true),
  buffering: fc.constantFrom("collect", "measure", "stream"),
  connector,
});

const anyScenario: fc.Arbitrary<Scenario> = fc.record({
  isGood: fc.constant(false),
  options: fc
    .tuple(
      modes,
      fc.record({
        maxConnections: fc.constantFrom(1, 2, 256),
        maxIdle: fc.constantFrom(0, 1, 8),
        maxQueuedRequests: fc.constantFrom(1, 1024),
        maxQueuedBytes: fc.constantFrom(1, 1_000, 262_144),
        maxConnectRetries: fc.constantFrom(0, 2),
        maxRequestsPerConnection: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
        maxStdoutBytes: fc.constantFrom(100_000, Number.POSITIVE_INFINITY),
      }),
    )
    .map(([mode, limits]) => ({ ...mode, ...limits })),
  requests: fc.array(anyRequest, { minLength: 1, maxLength: 6 }),
  connects: fc.array(anyConnect, { minLength: 1, maxLength: 4 }),
  answers: fc.array(anyAnswer, { minLength: 1, maxLength: 6 }),
  keepsConnections: fc.boolean(),
  buffering: fc.constantFrom("collect", "measure", "stream"),
  connector,
});

/** What came of a request. */
class Outcome {
  readonly nonce: string;
  readonly plan: RequestPlan;
  /** What is awaited: the response, or its reading. */
  state: "sent" | "answered" | "over" = "sent";
  error: unknown = null;
  readonly pieces: Uint8Array[] = [];
  /** How often it had been sent when it was over. */
  sendings: number | null = null;
  /** Whether the response came to its end, as far as its reader can tell. */
  isWhole = false;
  /** The state of its body, where that is a stream. */
  bodyState: "none" | "open" | "ended" | "failed" | "cancelled" = "none";
  /** Whether the whole body was given. */
  readonly body: Uint8Array;

  constructor(index: number, plan: RequestPlan) {
    this.nonce = `q${index}`;
    this.plan = plan;
    this.body =
      plan.body === "none" || plan.method === "GET" ? new Uint8Array(0) : marked(`[${this.nonce}]`, plan.size);
  }

  /** Whether what its body gives is what was announced. */
  get hasGoodBody(): boolean {
    return !["failing stream", "stalled stream", "too short"].includes(this.plan.body);
  }
}

/** The body of a request, in the form of its plan. */
function bodyOf(outcome: Outcome): string | ReadableStream<Uint8Array> | null {
  const { plan, body } = outcome;
  if (body.length === 0 || plan.body === "none") return null;
  if (plan.body === "text") return textOf([body]);
  const length = plan.body === "too short" ? body.length - 1 : body.length;
  let at = 0;
  outcome.bodyState = "open";
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (plan.body === "slow stream") await pause(5);
        if (outcome.bodyState !== "open") return;
        const isMidway = at >= length / 2;
        if (isMidway && plan.body === "failing stream") {
          outcome.bodyState = "failed";
          throw new Error("The body failed");
        }
        if (isMidway && plan.body === "stalled stream") return new Promise(() => {});
        if (at === length) {
          outcome.bodyState = "ended";
          controller.close();
          return;
        }
        const piece = body.subarray(at, Math.min(length, at + Math.max(1, length >> 1)));
        at += piece.length;
        controller.enqueue(piece.slice());
      },
      cancel() {
        outcome.bodyState = "cancelled";
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads a stream as the plan says; tells whether its end was seen. */
async function readAs({ plan, pieces }: Outcome, stream: ReadableStream<Uint8Array>): Promise<boolean> {
  if (plan.reading === "never" || plan.reading === "the end only") return false;
  if (plan.reading === "cancels at once") {
    await stream.cancel("not wanted");
    return false;
  }
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    pieces.push(value.slice());
    if (plan.reading === "cancels midway") {
      await reader.cancel("enough");
      return false;
    }
    if (plan.reading === "slowly") await pause(3);
  }
}

/** How the client gets to the application: alone, as one of two, or as one of several by a key. */
function connectorTo(backend: Backend, { connector }: Scenario): Connector {
  const twin: Connector = { connect: (options) => backend.connect(options) };
  switch (connector) {
    case "plain":
      return twin;
    case "failover":
      return failover([twin, { ...twin }]);
    case "round robin":
      return roundRobin([twin, { ...twin }]);
    case "by key":
      return { ...twin, keyOf: ({ params }) => `${params.get("REQUEST_METHOD")}` };
  }
}

/** A client as both kinds are driven. */
interface Driver {
  send(outcome: Outcome, signal: AbortSignal): Promise<void>;
  readonly status: FastCgiClient["status"];
  close(options?: { timeout?: number }): Promise<void>;
  /** What of an attempt a reader gets that reads it to its end. */
  wholeOf(attempt: Backend["attempts"][number]): string | null;
  /** Whether a reader may take what came of an attempt for all of it. */
  mayBeWhole(attempt: Backend["attempts"][number]): boolean;
  /** The ends that `onRequestEnd` was told of; undefined for a client that has no such option. */
  readonly ends?: readonly FastCgiFetchEnd[];
}

function lowLevel(backend: Backend, scenario: Scenario): Driver {
  const client = new FastCgiClient(connectorTo(backend, scenario), scenario.options);
  return {
    async send(outcome, signal) {
      const { plan, nonce, body } = outcome;
      const params: [string, string][] = [
        ["NONCE", nonce],
        ["REQUEST_METHOD", plan.method],
      ];
      if (plan.body === "text" || plan.body === "too short") params.push(["CONTENT_LENGTH", `${body.length}`]);
      const response: FastCgiClientResponse = await client.send({
        role: plan.role as Role,
        params,
        stdin: bodyOf(outcome),
        signal,
      });
      outcome.state = "answered";
      if (plan.reading === "never") return;
      const [isRead] = await Promise.all([readAs(outcome, response.stdout), response.end]);
      outcome.isWhole = isRead;
    },
    get status() {
      return client.status;
    },
    close: (how) => client.close(how),
    wholeOf: ({ sent }) => textOf(sent),
    mayBeWhole: ({ outcome }) => outcome === "whole",
  };
}

function overHttp(backend: Backend, scenario: Scenario): Driver {
  const ends: FastCgiFetchEnd[] = [];
  const client = new FastCgiHttpClient(connectorTo(backend, scenario), {
    ...scenario.options,
    requestBuffering: scenario.buffering,
    onRequestEnd: (end) => void ends.push(end),
  });
  return {
    ends,
    async send(outcome, signal) {
      const { plan, nonce, body } = outcome;
      const headers: Record<string, string> = { "x-nonce": nonce };
      const isStream = plan.body !== "none" && plan.body !== "text";
      if (isStream && body.length > 0) headers["content-length"] = `${body.length}`;
      const init = { method: plan.method, headers, body: bodyOf(outcome), signal, ...(isStream && { duplex: "half" }) };
      const response = await client.fetch("http://example.com/", init as RequestInit);
      outcome.state = "answered";
      outcome.isWhole = response.body === null || (await readAs(outcome, response.body));
    },
    get status() {
      return client.status;
    },
    close: (how) => client.close(how),
    wholeOf: ({ httpBody }) => httpBody,
    mayBeWhole: ({ outcome, endsByLength }) => outcome === "whole" || endsByLength,
  };
}

/** Longer than every timeout of a client, one behind the other. */
const LONG = 3 * 3_600_000;

async function play(clock: FakeClock, scenario: Scenario, drive: typeof lowLevel): Promise<void> {
  const { options, connects, answers, keepsConnections, requests } = scenario;
  const mayMultiplex = options.multiplexing === true;
  const backend = new Backend(connects, answers, {
    keepsConnections: keepsConnections && (mayMultiplex || options.keepAlive === true),
    mayMultiplex,
  });
  const client = drive(backend, scenario);
  const outcomes: Outcome[] = [];
  let closing: Promise<void> | null = null;
  const start = (plan: RequestPlan): Outcome => {
    const outcome = new Outcome(outcomes.length, plan);
    outcomes.push(outcome);
    const abort = new AbortController();
    if (plan.abort !== null && "time" in plan.abort) void pause(plan.abort.time).then(() => abort.abort());
    if (plan.abort !== null && "turns" in plan.abort) void turns(plan.abort.turns).then(() => abort.abort());
    client
      .send(outcome, abort.signal)
      .catch((error) => {
        outcome.error = error;
      })
      .finally(() => {
        outcome.state = "over";
      })
      // What was written has left by then.
      .then(() => turns())
      .then(() => {
        outcome.sendings = backend.attempts.filter(({ nonce }) => nonce === outcome.nonce).length;
      });
    return outcome;
  };
  for (const plan of requests) {
    if (plan.wait > 0) await clock.pass(plan.wait);
    start(plan);
    await turns(1);
    if (plan.next === "restart") backend.restart();
    if (plan.next === "close the client") closing ??= client.close();
  }
  await clock.pass(LONG);
  await turns(4);
  checkOutcomes(scenario, backend, outcomes, client);
  if (client.ends !== undefined) checkEnds(client.ends, outcomes);
  const { active, waiting, connections } = client.status;
  must(active + waiting + connections === 0, `After hours the client has ${JSON.stringify(client.status)}`);

  if (closing === null) {
    backend.heal();
    const witness = start({ ...WITNESS });
    await clock.pass(3_000);
    must(witness.state === "over", "A request to an application that is good again was not answered");
    must(witness.error === null, `A request to an application that is good again failed: ${String(witness.error)}`);
    must(witness.isWhole && textOf(witness.pieces).includes(`<${witness.nonce}.`), "A good request got another answer");
  }
  let isClosed = false;
  void client.close().then(() => {
    isClosed = true;
  });
  await turns();
  if (isClosed) must(clock.pending === 0, `${clock.pending} timers run when the client is closed`);
  await clock.pass(LONG);
  must(isClosed, "close() goes on for ever");
  must(backend.fault === null, `${backend.fault}`);
  must(
    backend.connections.every(({ wire }) => wire.isClosed),
    "A connection was never closed",
  );
  must(clock.pending === 0, `${clock.pending} timers run at the end`);
}

const WITNESS: RequestPlan = {
  wait: 0,
  method: "GET",
  role: Role.Responder,
  body: "none",
  size: 0,
  reading: "all",
  abort: null,
  next: "nothing",
};

/** @throws {Fault} If a request has not got what is its own, or is not over. */
function checkOutcomes({ isGood }: Scenario, backend: Backend, outcomes: readonly Outcome[], client: Driver): void {
  must(backend.fault === null, `${backend.fault}`);
  for (const outcome of outcomes) {
    const { nonce, plan, state, pieces, isWhole, bodyState, body, error } = outcome;
    const what = `${nonce} (${plan.method}, body ${plan.body}, reading ${plan.reading})`;
    must(state === "over", `${what} is still ${state}`);
    must(bodyState !== "open", `The body of ${what} is neither read nor cancelled`);
    const attempts = backend.attempts.filter((attempt) => attempt.nonce === nonce);
    // A request whose response is not read may still be sent again.
    must(error === null || outcome.sendings === attempts.length, `${what} was sent when it was over: ${String(error)}`);
    checkSendings(outcome, attempts);
    if (isGood) must(isWhole, `${what} was not answered in full: ${String(error)}`);
    if (backend.isLying) continue;
    const text = textOf(pieces);
    const isPart =
      attempts.length === 0
        ? text === ""
        : attempts.some((attempt) => client.wholeOf(attempt)?.startsWith(text) ?? true);
    must(isPart, `${what} got bytes that were not for it: ${JSON.stringify(text.slice(0, 200))}`);
    const whole = attempts.filter((attempt) => client.mayBeWhole(attempt)).map((attempt) => client.wholeOf(attempt));
    if (isWhole) must(whole.includes(text), `What ${what} got looks whole, and is ${text.length} bytes`);
    if (isGood)
      must(
        attempts.at(-1)?.hasStdinEnd !== true || textOf(attempts.at(-1)!.stdin) === textOf([body]),
        `The body of ${what} came as another one`,
      );
  }
}

/** @throws {Fault} If the end of a request was told twice or never, or not as it was. */
function checkEnds(ends: readonly FastCgiFetchEnd[], outcomes: readonly Outcome[]): void {
  must(ends.length === outcomes.length, `Of ${outcomes.length} requests ${ends.length} ends were told`);
  for (const { nonce, error, isWhole } of outcomes) {
    const own = ends.filter(({ request }) => request.headers.get("x-nonce") === nonce);
    must(own.length === 1, `The end of ${nonce} was told ${own.length} times`);
    const end = own[0]!;
    must(
      (end.outcome === "complete") === (end.error === undefined),
      `${nonce} is ${end.outcome}: ${String(end.error)}`,
    );
    if (isWhole) must(end.outcome === "complete", `${nonce} was read to its end, and is ${end.outcome}`);
    // A body that is not read fails without a word to the program.
    if (error !== null && end.status === undefined) must(end.error === error, `${nonce} failed with another error`);
    must(end.duration >= (end.timeToHeader ?? 0), `The header of ${nonce} came after its end`);
    must(end.requestBodyBytes >= 0 && end.responseBodyBytes >= 0, `${nonce} has a negative number of bytes`);
  }
}

/** @throws {Fault} If a request was sent too often, or a body looks whole that is not. */
function checkSendings({ nonce, plan, body, hasGoodBody }: Outcome, attempts: Backend["attempts"]): void {
  const run = attempts.filter(({ outcome }) => outcome !== "refused").length;
  must(run <= (plan.method === "POST" ? 1 : 2), `${nonce} (${plan.method}) was sent ${run} times`);
  for (const { hasStdinEnd, stdin } of attempts) {
    if (!hasStdinEnd || plan.role === Role.Authorizer) continue;
    must(hasGoodBody || body.length === 0, `The body of ${nonce} (${plan.body}) looks whole`);
    must(textOf(stdin) === textOf([body]), `The body of ${nonce} came as another one`);
  }
}

function target(name: string, drive: typeof lowLevel): Target<Scenario> {
  return {
    name,
    inputs: fc.oneof(goodScenario, { arbitrary: anyScenario, weight: 3 }),
    run: (scenario) => onFakeClock((clock) => play(clock, scenario, drive)),
  };
}

/** Applications against a FastCgiClient. */
export const clientTarget = (): Target<Scenario> => target("client", lowLevel);

/** Applications against a FastCgiHttpClient. */
export const httpClientTarget = (): Target<Scenario> => target("http-client", overHttp);
