import { describe, expect, it } from "vitest";
import { CLIENT_DEFAULTS, resolveClientOptions } from "../../src/client/options.ts";
import { FastCgiClient } from "../../src/toolkit.ts";
import { ScriptedConnector } from "../support/scripted_application.ts";

describe("resolveClientOptions", () => {
  it("resolveClientOptions has a finite default for everything that a peer can make grow, or says why not", () => {
    const endless = Object.entries(resolveClientOptions({})).filter(([, value]) => value === Number.POSITIVE_INFINITY);
    // The first makes nothing grow, and nothing of stdout is collected: what is not read is bounded by maxQueuedBytes.
    expect(endless.map(([name]) => name).sort()).toEqual(["maxRequestsPerConnection", "maxStdoutBytes"]);
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
