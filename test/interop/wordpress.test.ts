// WordPress of Debian's package behind `fetchcgi gateway`, used in a browser as its visitors use it, and asked for files that no HTTP
// client may have. npm run sites compares its answers with those of nginx.

import { cp } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireProgram, requireRuntime } from "../../scripts/setup.mjs";
import { choosePermalinks, configureWordPress, installWordPress, publishPicture } from "../sites/wordpress.ts";
import { startBrowser } from "../support/chromium.ts";
import { exchangeHttp } from "../support/http_message.ts";
import { startMariaDb } from "../support/mariadb.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { plantSources, SOURCE_MARK, SOURCE_PATHS } from "../support/source_paths.ts";
import { stagePackage } from "../support/staged_package.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** Only what hangs takes so long. */
const LIMIT = 300_000;

const stops: (() => unknown)[] = [];
let root: string;
let port: number;
let url: string;
let page: Page;
let gateway: RunningProcess;
/** Answers of the site that were errors to the browser, and what the pages wrote to its console as errors. */
const errors: string[] = [];

/** Starts something that is stopped in the end. */
async function start<Started extends { stop(): unknown }>(starting: Promise<Started>): Promise<Started> {
  const started = await starting;
  stops.push(() => started.stop());
  return started;
}

beforeAll(async () => {
  for (const name of ["wordpress-theme", "php-mysql", "php-gd"] as const) requireProgram(name);
  const installed = dirname(requireProgram("wordpress"));
  const directory = await createTemporaryDirectory("wordpress");
  stops.push(() => directory.remove());
  root = join(directory.path, "public");
  const starting = [
    start(startMariaDb()),
    start(startBrowser(directory.path)),
    // A folder of its own: WordPress writes into it. Debian's links lead out of it.
    cp(installed, root, { recursive: true }),
    stagePackage(directory.path),
  ] as const;
  // One that fails must not leave the others behind.
  await Promise.allSettled(starting);
  const [database, { browser }, , main] = await Promise.all(starting);
  await configureWordPress(root, database, SOURCE_MARK);
  plantSources(root);

  const asRoot = process.getuid?.() === 0 ? ["--user", "root"] : [];
  gateway = await start(
    startProcess(requireRuntime("node24"), {
      name: "fetchcgi gateway",
      args: [main, "gateway", root, "--port", "0", "--may-link-to", "/usr/share", ...asRoot],
    }),
  );
  await waitUntil(() => / at http:\S+$/m.test(gateway.stderr()), { message: gateway.stderr });
  url = / at (http:\S+)\/$/m.exec(gateway.stderr())![1]!;
  port = Number(new URL(url).port);

  const [context] = browser.contexts();
  context!.setDefaultTimeout(LIMIT);
  page = await context!.newPage();
  await page.setViewportSize({ width: 1280, height: 900 });
  page.on("response", (response) => {
    // Gravatar's pictures are on another machine, which tests can't reach.
    if (response.url().startsWith(url) && !response.ok() && response.status() >= 400) {
      errors.push(`${response.status()} ${response.url()}`);
    }
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    const from = message.location().url;
    if (message.type() === "error" && (from === "" || from.startsWith(url))) errors.push(message.text());
  });
}, LIMIT);

afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
}, LIMIT);

describe("WordPress behind fetchcgi gateway", () => {
  it("is installed by its own pages, and lets its administrator in", { timeout: LIMIT }, async () => {
    await installWordPress(page, url);
    expect(errors).toEqual([]);
  });

  it("takes a post with a picture, and shows it under a link without index.php", { timeout: LIMIT }, async () => {
    await publishPicture(page, url);
    expect(errors).toEqual([]);
  });

  it("offers links without index.php where SERVER_SOFTWARE is a server that it knows", { timeout: LIMIT }, async () => {
    await choosePermalinks(page, url);
    expect(errors).toEqual([]);
  });

  it("finds the post, and lets its administrator out", { timeout: LIMIT }, async () => {
    await page.goto(`${url}/?s=picture`);
    await page.waitForSelector("main a >> text=A picture of Ünïcode");
    expect(errors).toEqual([]);
    // It asks whether its visitor means it, with the status 403.
    await page.goto(`${url}/wp-login.php?action=logout`);
    await page.click("a[href*='action=logout']");
    await page.waitForURL(/loggedout=true/);
    await page.goto(`${url}/wp-admin/`);
    expect(page.url()).toContain("/wp-login.php?redirect_to=");
    expect(errors.filter((error) => !error.includes("403"))).toEqual([]);
  });

  it("yields nothing of a source for 300 paths", { timeout: LIMIT }, async () => {
    expect(SOURCE_PATHS.length).toBeGreaterThan(300);
    const own = [
      "/wp-config.php",
      "/wp-config%2Ephp",
      "/wp-content/mu-plugins/missing.php",
      "/wp-content/mu-plugins/missing.PHP",
    ];
    const paths = [...SOURCE_PATHS, ...own];
    const leaks: string[] = [];
    const statuses = new Set<number>();
    const ask = async (): Promise<void> => {
      for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
        const { status, headers, body } = await exchangeHttp(port, `GET ${path}`, `Host: 127.0.0.1:${port}\r\n`);
        statuses.add(status);
        if (/a-password-of|<\?php/.test(JSON.stringify([headers, body]))) leaks.push(path);
      }
    };
    await Promise.all([ask(), ask(), ask(), ask()]);
    expect(leaks).toEqual([]);
    // Scripts that run, style.css, redirects of WordPress and ours, no path at all, no such page.
    expect([...statuses].filter((status) => ![200, 301, 302, 308, 400, 404].includes(status))).toEqual([]);
    expect(gateway.stderr()).not.toContain("Fatal");
  });
});
