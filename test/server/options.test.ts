import { describe, expect, it } from "vitest";
import { resolveServerOptions, SERVER_DEFAULTS } from "../../src/server/options.ts";
import { FastCgiServer, type FastCgiServerLimits } from "../../src/toolkit.ts";

const names = Object.keys(SERVER_DEFAULTS) as (keyof FastCgiServerLimits)[];
const numbers = names.filter((name) => typeof SERVER_DEFAULTS[name] === "number");
const switches = names.filter((name) => typeof SERVER_DEFAULTS[name] === "boolean");

describe("resolveServerOptions", () => {
  it("gives the defaults when nothing is given", () => {
    expect(resolveServerOptions({})).toMatchObject(SERVER_DEFAULTS);
    expect(Object.isFrozen(SERVER_DEFAULTS)).toBe(true);
  });

  it("waits longer for a client than any web server does", () => {
    // nginx and Apache 60 s, Debian's Apache 300 s, lighttpd 360 s.
    expect(Math.min(SERVER_DEFAULTS.readTimeout, SERVER_DEFAULTS.writeTimeout)).toBeGreaterThan(360_000);
  });

  it("has a finite default for everything that a web server can make grow without the handler", () => {
    const endless = numbers.filter((name) => SERVER_DEFAULTS[name] === Number.POSITIVE_INFINITY);
    // The first two only count what a handler reads: what it does not read is bounded by maxQueuedBytes. The third makes nothing grow.
    expect(endless).toEqual(["maxStdinBytes", "maxDataBytes", "maxRequestsPerConnection"]);
  });

  it("takes what is given, and the default for undefined", () => {
    const options = {
      readTimeout: 5,
      idleTimeout: undefined,
      maxParams: Number.POSITIVE_INFINITY,
      multiplexing: false,
    };
    expect(resolveServerOptions(options as never)).toMatchObject({
      readTimeout: 5,
      idleTimeout: 120_000,
      maxParams: Number.POSITIVE_INFINITY,
      multiplexing: false,
    });
  });

  it("does not change what it is given", () => {
    const options = Object.freeze({ readTimeout: 5 });
    expect(resolveServerOptions(options).readTimeout).toBe(5);
    expect(Object.keys(options)).toEqual(["readTimeout"]);
  });
});

describe("FastCgiServer", () => {
  const server = (options: object): FastCgiServer => new FastCgiServer(() => ({}), options);

  it.each(numbers)("throws RangeError that names the option when %s is not above zero", (name) => {
    for (const value of [0, -1, Number.NaN]) {
      expect(() => server({ [name]: value })).toThrow(
        new RangeError(`Cannot use ${name}: expected a number above 0 (Infinity turns it off), got ${value}`),
      );
    }
    expect(() => server({ [name]: Number.POSITIVE_INFINITY })).not.toThrow();
  });

  it.each(numbers)("throws TypeError that names the option when %s is not a number", (name) => {
    for (const value of ["5", null, true]) {
      expect(() => server({ [name]: value })).toThrow(
        new TypeError(`Cannot use ${name}: expected a number, got ${JSON.stringify(value)}`),
      );
    }
  });

  it.each(switches)("throws TypeError that names the option when %s is not a boolean", (name) => {
    for (const value of ["yes", 1, null]) {
      expect(() => server({ [name]: value })).toThrow(
        new TypeError(`Cannot use ${name}: expected a boolean, got ${JSON.stringify(value)}`),
      );
    }
  });
});
