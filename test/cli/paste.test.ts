import { resolve } from "node:path";
import { expect, it } from "vitest";
import { linesFor } from "../../cli/serve/paste.ts";

it.each([
  [{ hostname: "0.0.0.0", port: 9000 }, "127.0.0.1:9000"],
  [{ hostname: "::", port: 9000 }, "[::1]:9000"],
  [{ hostname: "::1", port: 9000 }, "[::1]:9000"],
  [{ path: "run/app.sock" }, resolve("run/app.sock")],
])("the lines for a web server on %j name an address that it can connect to", (target, address) => {
  for (const server of ["nginx", "apache", "caddy"] as const) expect(linesFor(server, target)).toContain(address);
});

it("the lines for a web server quote a path that is more than a word", () => {
  const target = { path: "/run/my app/{a};b.sock" };
  expect(linesFor("nginx", target)).toContain('fastcgi_pass "unix:/run/my app/{a};b.sock";');
  expect(linesFor("caddy", target)).toContain('reverse_proxy "unix//run/my app/{a};b.sock" {');
  expect(linesFor("apache", target)).toContain('SetHandler "proxy:unix:/run/my app/{a};b.sock|fcgi://app/"');
});

it("there are no lines for a port that is not known yet", () => {
  expect(linesFor("nginx", { hostname: "127.0.0.1", port: 0 })).toBeNull();
});
