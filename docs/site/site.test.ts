// The built site in Chromium: npm run docs -- test

import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DrivenBrowser, startBrowser } from "../../test/support/chromium.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../test/support/temporary_directory.ts";
import { pages } from "./pages.mjs";

const dist = fileURLToPath(new URL("../.vitepress/dist", import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** Milliseconds for what takes one: reached by what hangs only. */
const LIMIT = 120_000;

let server: Server;
let url: string;
let folder: TemporaryDirectory;
let driven: DrivenBrowser;
let page: Page;
/** Errors in the console, exceptions, and answers that are none of the site's. */
const problems: string[] = [];

const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));

beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://localhost");
    const file = join(dist, decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
    try {
      const body = readFileSync(file);
      response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(404, { "content-type": "text/plain" }).end("Not Found\n");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  folder = await createTemporaryDirectory("site");
  driven = await startBrowser(folder.path);
  const [context] = driven.browser.contexts();
  context!.setDefaultTimeout(LIMIT);
  // Otherwise each page loads all that it links to.
  await context!.addInitScript("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })");
  await openTab();
});

/** Opens a tab in place of the one before. */
async function openTab(): Promise<void> {
  const [context] = driven.browser.contexts();
  await (page as Page | undefined)?.close();
  page = await context!.newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(`${page.url()}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error.message}`));
  page.on(
    "response",
    (response) => response.status() >= 400 && problems.push(`${response.status()} ${response.url()}`),
  );
}

afterAll(async () => {
  await driven?.stop();
  server?.close();
  server?.closeAllConnections();
  await folder?.remove();
});

/** Opens a page and waits until its program runs. */
async function open(path: string): Promise<void> {
  await page.goto(`${url}/${path}`, { timeout: LIMIT });
  await page.waitForFunction("document.querySelector('#app')?.__vue_app__ !== undefined");
}

describe("the site", () => {
  it("has every page of its list, and the API of every entry", () => {
    const expected = pages.map(({ site }) => `${site}.html`);
    expect(expected.filter((name) => !files.includes(name))).toEqual([]);
    expect(files.filter((name) => name.startsWith("api/")).length).toBeGreaterThan(50);
  });

  it("has no broken link and no broken anchor", () => {
    const texts = new Map(files.map((file) => [file, readFileSync(join(dist, file), "utf8")]));
    const valuesOf = (text: string, name: string): string[] =>
      [...text.matchAll(new RegExp(` ${name}="([^"]*)"`, "g"))].map((match) => match[1]!.replaceAll("&amp;", "&"));
    const ids = new Map([...texts].map(([file, text]) => [file, new Set(valuesOf(text, "id"))]));
    const broken = new Set<string>();
    let count = 0;
    for (const [file, text] of texts) {
      for (const href of valuesOf(text, "href")) {
        const { origin, pathname, hash } = new URL(href, `http://site/${file}`);
        if (origin !== "http://site" || /^\/(assets|pictures)\//.test(pathname)) continue;
        count++;
        const name = decodeURIComponent(pathname.slice(1));
        const found = ids.get(name === "" || name.endsWith("/") ? `${name}index.html` : name);
        const isThere = found !== undefined && (hash === "" || found.has(decodeURIComponent(hash.slice(1))));
        if (!isThere && !name.endsWith(".css")) broken.add(`${file} → ${href}`);
      }
    }
    expect([...broken]).toEqual([]);
    expect(count).toBeGreaterThan(1000);
  });

  it("loads every page without an error, and on a phone without scrolling sideways", async () => {
    const wide: string[] = [];
    for (const [index, file] of files.entries()) {
      // A tab that has shown hundreds of pages holds much of them.
      if (index % 50 === 0) await openTab();
      await page.setViewportSize({ width: 360, height: 740 });
      await open(file);
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      if (width > 360) wide.push(`${file}: ${width}`);
    }
    expect(wide).toEqual([]);
    expect(problems.splice(0)).toEqual([]);
  });

  it("finds what is searched for, by the words of a message too", async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    for (const [words, path] of [
      ["Primary script unknown", "troubleshooting"],
      ["phpSite", "phpSite"],
      ["mod_fcgid", "deploy/"],
    ] as const) {
      await open("index.html");
      await page.locator(".VPNavBarSearch button").first().click();
      await page.locator(".search-input").fill(words);
      await page.locator(`.results a[href*="${path}"]`).first().waitFor();
    }
    await page.locator('.results a[href*="deploy/"]').first().click();
    await page.waitForURL(/\/deploy\//);
    expect(problems.splice(0)).toEqual([]);
  });

  it("is dark and light: as the system is, and as the switch says", async () => {
    const background = (): Promise<string> =>
      page.evaluate("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.body).color");
    await page.emulateMedia({ colorScheme: "light" });
    await open("index.html");
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    await open("index.html");
    const dark = await background();
    expect(dark).not.toBe(light);
    await page.locator(".VPNavBar .VPSwitchAppearance").first().click();
    await page.waitForFunction("!document.documentElement.classList.contains('dark')");
    expect(await background()).toBe(light);
  });

  it("has its menu on a phone", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await open("serve.html");
    await page.locator(".VPLocalNav .menu").click();
    await page.locator('.VPSidebar a[href="/deploy/nginx.html"]').click();
    await page.waitForURL(/\/deploy\/nginx/);
    expect(problems.splice(0)).toEqual([]);
  });
});
