import { describe, expect, it } from "vitest";
import { plainAddress, tcpAddress } from "../../src/transport/address.ts";

it("tcpAddress is an address only where the runtime reports all of it, and refuses what is none", () => {
  expect(tcpAddress("::ffff:192.0.2.7", 80)).toEqual({ hostname: "192.0.2.7", port: 80 });
  expect(tcpAddress(undefined, 80)).toBeUndefined();
  expect(tcpAddress("192.0.2.7", undefined)).toBeUndefined();
  expect(() => tcpAddress(7 as unknown as string, 80)).toThrow(TypeError);
  expect(() => tcpAddress("192.0.2.7", 65_536)).toThrow(RangeError);
});

describe("plainAddress", () => {
  it("plainAddress writes an IPv4 address in dotted decimal, however it came", () => {
    for (const address of [
      "192.0.2.7",
      "192.0.2.7:55555",
      "::ffff:192.0.2.7",
      "::FFFF:192.0.2.7",
      "::ffff:c000:207",
      "::ffff:c000:0207",
      "0:0:0:0:0:ffff:192.0.2.7",
      "0000:0000:0000:0000:0000:ffff:c000:0207",
      "0::ffff:192.0.2.7",
      "[::ffff:192.0.2.7]",
      "[::ffff:192.0.2.7]:55555",
      "::ffff:192.0.2.7%eth0",
    ]) {
      expect(plainAddress(address), address).toBe("192.0.2.7");
    }
    expect(plainAddress("::ffff:127.0.0.1")).toBe("127.0.0.1");
    expect(plainAddress("::ffff:0:0")).toBe("0.0.0.0");
    expect(plainAddress("::ffff:ffff:ffff")).toBe("255.255.255.255");
  });

  it("plainAddress writes an IPv6 address without brackets, port and zone", () => {
    for (const [address, expected] of [
      ["::1", "::1"],
      ["[::1]", "::1"],
      ["[2001:db8::1]:443", "2001:db8::1"],
      ["fe80::1%eth0", "fe80::1"],
      ["[fe80::1%25eth0]:80", "fe80::1"],
      ["2001:db8::ffff:c000:207", "2001:db8::ffff:c000:207"],
      // These do not count as IPv4: an embedded address is not a mapped one.
      ["::192.0.2.7", "::192.0.2.7"],
      ["64:ff9b::192.0.2.7", "64:ff9b::192.0.2.7"],
      ["::fffe:192.0.2.7", "::fffe:192.0.2.7"],
      ["::ffff:0:192.0.2.7", "::ffff:0:192.0.2.7"],
      // The last group may be a port to a reader, and is none.
      ["2001:db8::1:8080", "2001:db8::1:8080"],
    ] as const) {
      expect(plainAddress(address), address).toBe(expected);
    }
  });

  it("plainAddress leaves what is no address as it is", () => {
    for (const text of [
      "",
      "unix:",
      "localhost",
      "localhost:80",
      "192.0.2.7, 192.0.2.8",
      "192.0.2",
      "192.0.2.256:80",
      "192.0.2.7.",
      "192.0.2.7:",
      "::ffff:192.0.2.256",
      "::ffff:",
      "%eth0",
      "/run/app.sock",
    ]) {
      expect(plainAddress(text), text).toBe(text);
    }
  });
});
