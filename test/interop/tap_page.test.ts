// The page of `fetchcgi tap --ui`, in Chromium.

import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { fetchcgi } from "../cli/run.ts";
import { startTap } from "../cli/running_tap.ts";
import { startBrowser } from "../support/chromium.ts";
import { httpRequest } from "../support/http.ts";
import { fastCgiLocation, startNginx } from "../support/nginx.ts";
import { phpDigests } from "../support/php_digests.ts";
import { phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const HOSTILE = '<img src=x onerror="window.ran = true"><script>window.ran = true</script>';

it("fetchcgi tap shows requests as they come, on a page that runs nothing of them", async () => {
  const server = await serve({ port: 0, fetch: () => new Response(HOSTILE, { headers: { "x-hostile": HOSTILE } }) });
  onTestFinished(() => server.close({ timeout: 0 }));
  const { port } = server.address as { port: number };
  const tap = await startTap(`127.0.0.1:${port}`, ["--ui"]);
  await waitUntil(() => tap.errors().includes("fetchcgi: open "));
  const [, url = ""] = /open (http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/)/.exec(tap.errors())!;
  const nginx = await startNginx({ locations: [fastCgiLocation(`unix:${tap.path}`)] });
  onTestFinished(() => nginx.stop());
  const folder = await createTemporaryDirectory("page");
  onTestFinished(() => folder.remove());
  const sent = Date.now();
  await httpRequest(`${nginx.url}/before`);
  const answered = Date.now();
  const { browser, stop } = await startBrowser(folder.path);
  try {
    const page = await browser.contexts()[0]!.newPage();
    const problems: string[] = [];
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    // What it exports can be read there.
    await page.addInitScript(
      "{ const make = URL.createObjectURL; URL.createObjectURL = (blob) => { window.exported = blob.text(); return make(blob); }; }",
    );
    await page.goto(url);
    await page.getByRole("button", { name: "GET /before" }).waitFor();
    await httpRequest(`${nginx.url}/after?q=${encodeURIComponent(HOSTILE)}`, {
      headers: { "user-agent": HOSTILE, cookie: "sid=HIDDEN", authorization: "Bearer HIDDEN" },
      body: HOSTILE,
    });
    await page.getByRole("button", { name: "POST /after" }).click();
    const shown = (await page.locator("#details").textContent())!;
    expect(shown).toContain(HOSTILE);
    expect(shown).toContain("sid=(masked)");
    expect(shown).toMatch(/← END_REQUEST/);
    expect(shown).toMatch(/\d+\.\d{3} ms/);
    expect(await page.content()).not.toContain("HIDDEN");
    expect(await page.locator("#details img, #details script, #rows img, #rows script").count()).toBe(0);
    expect(await page.evaluate("window.ran")).toBeUndefined();
    // Search.
    await page.getByLabel("Search").fill("/AFTER?");
    await page.getByRole("button", { name: "GET /before" }).waitFor({ state: "hidden" });
    expect(await page.getByRole("button", { name: "POST /after" }).isVisible()).toBe(true);
    // The export is what inspect reads.
    const exported = await httpRequest(`${url}exchanges.ndjson`);
    const file = join(folder.path, "exchanges.ndjson");
    writeFileSync(file, exported.body);
    const { text, code } = await fetchcgi(["inspect", file]);
    expect([text.match(/^#\d+ 200 /gm)?.length, code]).toEqual([2, 0]);
    expect(exported.text()).not.toContain("HIDDEN");
    const downloaded = page.waitForEvent("download");
    await page.getByLabel("Search").fill("");
    await page.getByRole("button", { name: "GET /before" }).waitFor();
    await page.getByRole("button", { name: "Export HAR" }).click();
    expect((await downloaded).suggestedFilename()).toBe("exchanges.har");
    const har = (await page.evaluate("window.exported")) as string;
    expect(har).not.toContain("HIDDEN");
    // The page was opened later. Clocks of both may differ by a millisecond.
    const began = Date.parse(JSON.parse(har).log.entries[0].startedDateTime);
    expect(began).toBeGreaterThanOrEqual(sent - 100);
    expect(began).toBeLessThanOrEqual(answered + 100);
    expect(problems).toEqual([]);
  } finally {
    await stop();
  }
  expect(await tap.stop()).toBe(0);
});

it("fetchcgi tap passes the same bytes under load with its page open", async () => {
  const php = await startPhpFpm({ pool: { "pm.max_children": "8" } });
  onTestFinished(() => php.stop());
  const to = `unix:${(php.target as { path: string }).path}`;
  const tap = await startTap(to, ["--ui", "--body", "100000"]);
  await waitUntil(() => tap.errors().includes("fetchcgi: open "));
  const location = { documentRoot: phpScripts };
  const nginx = await startNginx({ locations: [fastCgiLocation(`unix:${tap.path}`, location)] });
  onTestFinished(() => nginx.stop());
  const direct = await startNginx({ locations: [fastCgiLocation(to, location)] });
  onTestFinished(() => direct.stop());
  const folder = await createTemporaryDirectory("page");
  onTestFinished(() => folder.remove());
  const { browser, stop } = await startBrowser(folder.path);
  try {
    const page = await browser.contexts()[0]!.newPage();
    await page.goto(/open (\S+)/.exec(tap.errors())![1]!);
    expect(await phpDigests(nginx.url, 100)).toEqual(await phpDigests(direct.url, 100));
    await page.waitForFunction('document.querySelectorAll("#rows tr").length === 100');
  } finally {
    await stop();
  }
});

it("the page of fetchcgi tap does not grow while the browser does not draw it", async () => {
  const server = await serve({ port: 0, fetch: () => new Response("hello") });
  onTestFinished(() => server.close({ timeout: 0 }));
  const { port } = server.address as { port: number };
  const tap = await startTap(`127.0.0.1:${port}`, ["--ui"]);
  await waitUntil(() => tap.errors().includes("fetchcgi: open "));
  const [, url = ""] = /open (\S+)/.exec(tap.errors())!;
  const folder = await createTemporaryDirectory("page");
  onTestFinished(() => folder.remove());
  const client = new FastCgiHttpClient(new FastCgiUnixConnector(tap.path), { keepAlive: true });
  const { browser, stop } = await startBrowser(folder.path);
  try {
    const page = await browser.contexts()[0]!.newPage();
    // As of a page that is behind another one.
    await page.addInitScript("window.requestAnimationFrame = () => 0");
    await page.goto(url);
    await page.getByText("live").waitFor();
    for (let count = 0; count < 1100; count++) await (await client.fetch("http://localhost/")).text();
    await client.close();
    expect(await tap.stop()).toBe(0);
    await page.getByText("fetchcgi tap has ended").waitFor();
    expect(await page.locator("#state").textContent()).toContain("1000 of 1000 shown");
  } finally {
    await stop();
  }
});

it("the page of fetchcgi tap is given to no other host, without its secret, or by another method", async () => {
  const tap = await startTap("127.0.0.1:1", ["--ui"]);
  await waitUntil(() => tap.errors().includes("fetchcgi: open "));
  const url = new URL(/open (\S+)/.exec(tap.errors())![1]!);
  const status = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: url.port, path, method, headers, agent: false };
      request(options, (response) => resolve(response.resume().statusCode!))
        .once("error", reject)
        .end();
    });
  expect(await status(url.pathname)).toBe(200);
  expect(await status(`${url.pathname}page.js`)).toBe(200);
  expect(await status(url.pathname, { host: `localhost:${url.port}` })).toBe(200);
  for (const host of ["evil.test", `evil.test:${url.port}`, "127.0.0.1", "127.0.0.1:1"])
    expect(await status(url.pathname, { host })).toBe(421);
  for (const path of ["/", "/events", `/${"0".repeat(32)}/`, `/${"0".repeat(32)}/events`, url.pathname.slice(0, -2)])
    expect(await status(path)).toBe(403);
  for (const name of ["../ui.ts", "..%2fui.ts", "constructor", "page.html"])
    expect(await status(url.pathname + name)).toBe(404);
  expect(await status(url.pathname, {}, "POST")).toBe(405);
  const { headers } = await httpRequest(url.href);
  expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
  expect(headers["content-security-policy"]).not.toContain("unsafe");
});
