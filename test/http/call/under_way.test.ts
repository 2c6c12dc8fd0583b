import { describe, expect, it } from "vitest";
import { holding } from "../../../src/http/call/under_way.ts";
import { FastCgiHttpClient, type FastCgiHttpClientOptions, type Spool } from "../../../src/toolkit.ts";
import { collectGarbage } from "../../support/memory.ts";
import { deferred, OpenStream } from "../../support/open_stream.ts";
import { answering, ScriptedConnector } from "../../support/scripted_application.ts";
import { failOnUnhandledRejections, turns } from "../../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** A promise that nothing else leads to: what waits for it can be collected as garbage. */
function hanging(): Promise<never> {
  return new Promise(() => {});
}

const url = "http://a.test/";

function clientOf(options: FastCgiHttpClientOptions, answered?: string): FastCgiHttpClient {
  const connector = answered === undefined ? { connect: hanging } : new ScriptedConnector(answering(() => answered));
  const unlimited = { requestBodyTimeout: Number.POSITIVE_INFINITY, connectTimeout: Number.POSITIVE_INFINITY };
  return new FastCgiHttpClient(connector, { ...unlimited, ...options });
}

function stalled(signal: AbortSignal): RequestInit {
  return { method: "POST", body: new ReadableStream({ pull: hanging }), duplex: "half", signal } as RequestInit;
}

/** What a fetch may wait for without an end, and how it is started with a signal. */
const WAITS: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
  "the body of a Request": (signal) => clientOf({}).fetch(new Request(url, stalled(signal))),
  "the body of an init": (signal) => clientOf({}).fetch(url, stalled(signal)),
  "script, for a Request": (signal) => clientOf({ script: hanging }).fetch(new Request(url, { signal })),
  "script, for an init": (signal) => clientOf({ script: hanging }).fetch(url, { signal }),
  "script, for authorize": (signal) => clientOf({ script: hanging }).authorize(new Request(url, { signal })),
  "script, for authorize with a signal of its own": (signal) =>
    clientOf({ script: hanging }).authorize(new Request(url), { signal }),
  openSpool: (signal) =>
    clientOf({ openSpool: hanging, maxBufferedRequestBytes: 1 }).fetch(
      new Request(url, { method: "POST", body: "text", signal }),
    ),
  connect: (signal) => clientOf({}).fetch(new Request(url, { signal })),
  onLocalRedirect: (signal) =>
    clientOf({ onLocalRedirect: hanging }, "Location: /x\n\n").fetch(new Request(url, { signal })),
  onAccelRedirect: (signal) =>
    clientOf({ onAccelRedirect: hanging }, "X-Accel-Redirect: /x\n\n").fetch(new Request(url, { signal })),
  onSendFile: (signal) => clientOf({ onSendFile: hanging }, "X-Sendfile: /x\n\n").fetch(new Request(url, { signal })),
};

/** Signals that follow a caller's. */
const FOLLOWERS: Readonly<Record<string, (signal: AbortSignal) => AbortSignal>> = {
  "the caller's": (signal) => signal,
  "one of AbortSignal.any": (signal) => AbortSignal.any([signal]),
  "one of AbortSignal.any of another": (signal) =>
    AbortSignal.any([AbortSignal.any([signal]), new AbortController().signal]),
};

describe("FastCgiHttpClient: signals", () => {
  for (const [wait, start] of Object.entries(WAITS)) {
    for (const [kind, follow] of Object.entries(FOLLOWERS)) {
      it(`FastCgiHttpClient ends at its signal, also behind a garbage collection, when it waits for ${wait} and the signal is ${kind}`, async () => {
        const controller = new AbortController();
        const outcome = deferred<unknown>();
        // In a function of its own, so that nothing here holds what it makes.
        (() => void start(follow(controller.signal)).then(outcome.resolve, outcome.resolve))();
        for (let count = 0; count < 4; count++) {
          await turns();
          collectGarbage();
        }
        const reason = new Error("Enough");
        controller.abort(reason);
        expect(await outcome.promise).toBe(reason);
      });
    }
  }

  it("FastCgiHttpClient cancels a response that script or a hook gives too late", async () => {
    for (const hook of ["script", "onLocalRedirect", "onAccelRedirect", "onSendFile"] as const) {
      const given = deferred<Response>();
      const asked = deferred();
      const options = {
        [hook]: () => {
          asked.resolve();
          return given.promise;
        },
      };
      const client = clientOf(
        options,
        hook === "onLocalRedirect" ? "Location: /x\n\n" : "X-Accel-Redirect: /x\nX-Sendfile: /x\n\n",
      );
      const controller = new AbortController();
      const result = client.fetch(url, { signal: controller.signal });
      await asked.promise;
      const reason = new Error("Enough");
      controller.abort(reason);
      await expect(result).rejects.toBe(reason);
      const open = new OpenStream();
      given.resolve(new Response(open.stream));
      await turns();
      expect(open.cancelled, hook).toBe("The request was cancelled");
    }
  });

  it("FastCgiHttpClient ignores the error of a hook that fails after the signal has aborted", async () => {
    const given = deferred<Spool>();
    const client = clientOf({ openSpool: () => given.promise, maxBufferedRequestBytes: 1 });
    const controller = new AbortController();
    const result = client.fetch(url, {
      method: "POST",
      body: new Blob(["text"]).stream(),
      duplex: "half",
      signal: controller.signal,
    } as RequestInit);
    await turns();
    controller.abort(new Error("Enough"));
    await expect(result).rejects.toThrow("Enough");
    given.reject(new Error("Too late"));
    await turns();
  });
});

describe("holding", () => {
  it("holding settles as its work does, also when that throws at once", async () => {
    const subject = {};
    expect(await holding(subject, async () => 5)).toBe(5);
    const reason = new Error("No");
    await expect(holding(subject, () => Promise.reject(reason))).rejects.toBe(reason);
    const throwing = (): never => {
      throw reason;
    };
    await expect(holding(subject, throwing)).rejects.toBe(reason);
  });

  it("holding holds its subject for as long as its work, and no longer", async () => {
    const work = deferred();
    const ref = (() => {
      const subject = {};
      void holding(subject, () => work.promise);
      return new WeakRef(subject);
    })();
    const collect = async (): Promise<void> => {
      for (let count = 0; count < 4; count++) {
        await turns();
        collectGarbage();
      }
    };
    await collect();
    expect(ref.deref()).toBeDefined();
    work.resolve();
    await collect();
    expect(ref.deref()).toBeUndefined();
  });
});
