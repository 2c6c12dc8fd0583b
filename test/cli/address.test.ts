import { describe, expect, it } from "vitest";
import { connectorFor, isLocal, listenTargetFor, listenText } from "../../cli/address.ts";

describe("connectorFor", () => {
  it.each(["fd:0", "fd:3", "localhost", "app.sock", "unix:", ":9000", "127.0.0.1:0", "tcp:", ""])(
    "refuses %j",
    (address) => {
      expect(() => connectorFor(address)).toThrow(
        `Cannot connect to "${address}": expected unix:/path, /path or host:port`,
      );
    },
  );

  it("says which ports there are", () => {
    for (const address of ["localhost:0", "tcp:127.0.0.1:65536", "99999"])
      expect(() => connectorFor(address)).toThrow("or host:port, with a port from 1 to 65535");
    expect(() => connectorFor("localhost:9000x")).toThrow(/or host:port$/);
  });

  it.each(["http://127.0.0.1:1/", "tcp://127.0.0.1:9000", "fcgi://127.0.0.1:9000"])("refuses the URL %j", (address) => {
    expect(() => connectorFor(address)).toThrow(
      `Cannot connect to "${address}": expected unix:/path, /path or host:port, not a URL`,
    );
  });

  it.each([
    "9000",
    "localhost:9000",
    "tcp:[::1]:9000",
    "unix:app.sock",
    "unix:///run/app.sock",
    "./app.sock",
    "/a:b//c",
  ])("takes %j", (address) => {
    expect(connectorFor(address)).toHaveProperty("connect");
  });
});

describe("isLocal", () => {
  it("is true for paths and for the loopback interface", () => {
    for (const address of ["/run/app.sock", "9000", "tcp:127.0.0.2:9000", "localhost:9000", "[::1]:9000"])
      expect(isLocal(address), address).toBe(true);
    for (const address of ["192.0.2.1:9000", "tcp:[2001:db8::1]:9000", "127.example:9000"])
      expect(isLocal(address), address).toBe(false);
  });
});

describe("listenTargetFor", () => {
  it.each([
    ["127.0.0.1:0", { hostname: "127.0.0.1", port: 0 }],
    ["tcp:[::]:9000", { hostname: "::", port: 9000 }],
    ["9000", { hostname: "127.0.0.1", port: 9000 }],
    ["unix:/run/app.sock", { path: "/run/app.sock" }],
    ["app/app.sock", { path: "app/app.sock" }],
    ["fd:3", { fd: 3 }],
  ])("reads %j", (address, target) => {
    expect(listenTargetFor(address)).toEqual(target);
  });

  it.each([
    [":9000", ""],
    ["localhost", ""],
    ["127.0.0.1:65536", ", with a port from 0 to 65535"],
    ["fd:x", ""],
    ["tcp://127.0.0.1:9000", ", not a URL"],
  ])("refuses %j", (address, more) => {
    expect(() => listenTargetFor(address)).toThrow(
      `Cannot listen on "${address}": expected unix:/path, tcp:host:port or fd:N${more}`,
    );
  });
});

describe("listenText", () => {
  it("names the real address, and what was asked for where there is none", () => {
    const target = listenTargetFor("127.0.0.1:0");
    expect(listenText(target, { hostname: "127.0.0.1", port: 4000 })).toBe("127.0.0.1:4000");
    expect(listenText(listenTargetFor("[::1]:9000"))).toBe("[::1]:9000");
    expect(listenText({ fd: 3 })).toBe("descriptor 3");
    expect(listenText({ path: "/run/app.sock" })).toBe("/run/app.sock");
  });
});
