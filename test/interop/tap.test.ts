// `fetchcgi tap` between a real web server and a real application.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { readRecordingLine } from "../../cli/wire/recording.ts";
import { fetchcgi } from "../cli/run.ts";
import { startTap } from "../cli/running_tap.ts";
import { abortMidResponse, httpRequest } from "../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { phpDigests } from "../support/php_digests.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { Gate } from "./php/gate.ts";

failOnUnhandledRejections();

let php: PhpFpm;
const to = (): string => `unix:${(php.target as { path: string }).path}`;

beforeAll(async () => {
  // A kept connection holds its worker.
  php = await startPhpFpm({ pool: { "pm.max_children": "24" } });
});
afterAll(() => php.stop());

/** nginx in front of an application. */
function nginxTo(target: string, options: Parameters<typeof fastCgiLocation>[1] = {}): Promise<Nginx> {
  return startNginx({ locations: [fastCgiLocation(target, { documentRoot: phpScripts, ...options })] });
}

/** The digest of what crossed each connection in each direction, and the ways of its ends. */
function recorded(file: string): string[] {
  const flows = new Map<string, ReturnType<typeof createHash>>();
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(1);
  for (const line of lines) {
    const event = readRecordingLine(JSON.parse(line));
    if (event.what !== "bytes") continue;
    const key = `${event.connection} ${event.from}`;
    const hash = flows.get(key) ?? createHash("sha256");
    flows.set(key, hash.update(event.bytes));
  }
  return [...flows].map(([key, hash]) => `${key.split(" ").slice(1).join(" ")} ${hash.digest("hex")}`).sort();
}

it.each([true, false])(
  "fetchcgi tap passes the same bytes both ways under parallel load when keepConn is %s",
  async (keepConn) => {
    // Two taps in a row: what the first one has sent is what the second one has received.
    const behind = await startTap(to(), ["--write", "{folder}/wire"]);
    const tap = await startTap(`unix:${behind.path}`, ["--write", "{folder}/wire"]);
    const nginx = await nginxTo(`unix:${tap.path}`, { keepConn });
    const direct = await nginxTo(to(), { keepConn });
    try {
      expect(await phpDigests(nginx.url, 20)).toEqual(await phpDigests(direct.url, 20));
    } finally {
      await nginx.stop();
      await direct.stop();
    }
    expect(await tap.stop()).toBe(0);
    expect(await behind.stop()).toBe(0);
    const flows = recorded(join(tap.folder, "wire"));
    expect(flows).toEqual(recorded(join(behind.folder, "wire")));
    expect(flows.length).toBeGreaterThanOrEqual(keepConn ? 4 : 40);
    expect(tap.text().match(/^#\d+ 200 /gm)).toHaveLength(20);
    expect(tap.text()).not.toContain(": odd FCGI-3.3-2");
    expect(existsSync(tap.path)).toBe(false);
  },
);

it("fetchcgi tap shows variables, header, messages and times without the secrets, and inspect shows the same later", async () => {
  const tap = await startTap(to(), ["--verbose", "--write", "{folder}/wire"]);
  const nginx = await nginxTo(`unix:${tap.path}`, {
    extra: 'fastcgi_param PHP_VALUE "user_agent=hidden-value";',
  });
  const headers = { authorization: "Basic dXNlcjpoaWRkZW4=", cookie: "sid=hidden-cookie; b=2" };
  await httpRequest(`${nginx.url}/error-log.php?token=hidden-token&a=1`, { headers });
  await httpRequest(`${nginx.url}/cookies.php`, { headers });
  await nginx.stop();
  await tap.stop();
  const text = tap.text();
  expect(text).toMatch(
    /^#1 \d+ GET \/error-log\.php\?token=\(masked\)&a=1 {2}0 bytes → .* {2}first byte .* ms, end .* ms {2}\(connection 1, id 1\)$/m,
  );
  expect(text).toContain("HTTP_AUTHORIZATION=Basic (masked, 16 bytes)");
  expect(text).toContain("HTTP_COOKIE=sid=(masked); b=(masked)");
  expect(text).toMatch(/PHP_VALUE=\(masked, \d+ bytes\)/);
  expect(text).toContain("STDERR (");
  expect(text).toMatch(/^ +[\d.]+ ms → BEGIN_REQUEST 1 +8\+0 +#1 +RESPONDER$/m);
  expect(text).toMatch(/^ +[\d.]+ ms ← END_REQUEST 1 +8\+0 +#2 +REQUEST_COMPLETE, appStatus 0$/m);
  expect(text).not.toMatch(/hidden|dXNlcjpo/);
  const later = await fetchcgi(["inspect", join(tap.folder, "wire"), "--verbose"]);
  expect(`${later.text}\n`).toBe(text);
  expect(later.code).toBe(0);
  const secrets = await fetchcgi(["inspect", join(tap.folder, "wire"), "--verbose", "--secrets"]);
  for (const secret of ["hidden-token", "hidden-cookie", "hidden-value", "dXNlcjpo"])
    expect(secrets.text).toContain(secret);
});

it("fetchcgi tap passes on that a client has left, and lets a request that runs end", async () => {
  const tap = await startTap(to(), ["--json"]);
  const nginx = await nginxTo(`unix:${tap.path}`, { buffering: false });
  await abortMidResponse(`${nginx.url}/big.php?bytes=50000000`, 100_000);
  await waitUntil(() => tap.exchanges().length === 1);
  expect(tap.exchanges()[0]).toMatchObject({
    outcome: "aborted",
    reason: expect.stringMatching(/^the web server (closed|broke) the connection/),
  });
  const gate = await Gate.create();
  onTestFinished(() => gate.remove());
  const running = httpRequest(`${nginx.url}/gate.php?${gate.query(1)}`);
  await gate.started();
  const stopped = tap.stop();
  await waitUntil(() => !existsSync(tap.path));
  await gate.open("all");
  expect([await stopped, (await running).status]).toEqual([0, 200]);
  expect(tap.exchanges().map(({ outcome }) => outcome)).toEqual(["aborted", "complete"]);
  await nginx.stop();
});

it("fetchcgi tap looks like a dead application when there is none", async () => {
  const tap = await startTap("unix:/nowhere/app.sock");
  const nginx = await nginxTo(`unix:${tap.path}`);
  expect((await httpRequest(`${nginx.url}/hello.php`)).status).toBe(502);
  expect(tap.errors()).toContain(
    "Cannot connect to /nowhere/app.sock: there is no such socket; is the application running?",
  );
  expect(tap.text()).toContain("connection 1: Cannot connect to");
  await nginx.stop();
});
