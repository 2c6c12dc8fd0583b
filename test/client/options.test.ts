import { describe, expect, it } from "vitest";
import { CLIENT_DEFAULTS, resolveClientOptions } from "../../src/client/options.ts";
import { FastCgiClient } from "../../src/toolkit.ts";
import { ScriptedConnector } from "../support/scripted_application.ts";

describe("resolveClientOptions", () => {
  it("resolveClientOptions has a finite default for everything that a peer can make grow, or says why not", () => {
    expect(resolveClientOptions({})).toEqual({
      connectTimeout: 10_000,
      maxConnectRetries: 2,
      headerTimeout: 60_000,
      readTimeout: 30_000,
      writeTimeout: 30_000,
      requestBodyTimeout: 60_000,
      stallTimeout: 60_000,
      maxConnections: 256,
      maxQueuedRequests: 1024,
      keepAlive: false,
      maxIdle: 8,
      idleTimeout: 10_000,
      maxRequestsPerConnection: Number.POSITIVE_INFINITY,
      reuseForAll: false,
      multiplexing: false,
      maxConcurrentRequests: 32,
      onRetry: expect.any(Function),
      // Nothing of it is collected.
      maxStdoutBytes: Number.POSITIVE_INFINITY,
      maxStderrBytes: 262_144,
      maxQueuedBytes: 262_144,
    });
    expect(Object.isFrozen(CLIENT_DEFAULTS)).toBe(true);
  });

  it("resolveClientOptions takes given values over defaults, and undefined for not given", () => {
    const options = { readTimeout: 5, keepAlive: true, idleTimeout: Number.POSITIVE_INFINITY, writeTimeout: undefined };
    expect(resolveClientOptions(options as object)).toEqual({
      ...resolveClientOptions({}),
      readTimeout: 5,
      keepAlive: true,
      idleTimeout: Number.POSITIVE_INFINITY,
      onRetry: expect.any(Function),
    });
  });

  it("resolveClientOptions keeps connections when requests may share them", () => {
    expect(resolveClientOptions({ multiplexing: true })).toMatchObject({ multiplexing: true, keepAlive: true });
  });

  it("resolveClientOptions takes zero for what may be none", () => {
    expect(resolveClientOptions({ maxConnectRetries: 0, maxIdle: 0 })).toMatchObject({
      maxConnectRetries: 0,
      maxIdle: 0,
    });
    expect(() => resolveClientOptions({ maxConnections: 0 })).toThrow(RangeError);
    expect(() => resolveClientOptions({ maxConnectRetries: -1 })).toThrow(RangeError);
  });

  it("resolveClientOptions refuses values that an option can't have, in the constructor of the client", () => {
    const connector = new ScriptedConnector(() => {});
    for (const options of [{ readTimeout: 0 }, { connectTimeout: -1 }, { maxStderrBytes: Number.NaN }]) {
      expect(() => new FastCgiClient(connector, options)).toThrow(RangeError);
    }
    for (const options of [{ keepAlive: 1 }, { idleTimeout: "5" }, { maxQueuedBytes: null }]) {
      expect(() => new FastCgiClient(connector, options as never)).toThrow(TypeError);
    }
  });
});
