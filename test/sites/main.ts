// npm run sites: PHP sites of Debian's packages behind `fetchcgi gateway`, used in a browser; then the requests of the browser once more, to
// the gateway and to nginx in front of the same PHP. An error in the browser's console, and a difference that no rule explains, are failures.

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { requireProgram, requireRuntime } from "../../scripts/setup.mjs";
import { startBrowser } from "../support/chromium.ts";
import { startMariaDb } from "../support/mariadb.ts";
import { startNginx } from "../support/nginx.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { stagePackage } from "../support/staged_package.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { environmentWithExtensions, phpVersion, unpackPackages, versionOf } from "./debian.ts";
import { explanationOf } from "./explanations.ts";
import { ask, differencesOf, firstDifference, partsOf, recordRequests } from "./replay.ts";
import { type Result, totalText, withSites } from "./results.ts";
import type { Site } from "./site.ts";
import { sites } from "./sites.ts";

const resultsFile = new URL("results.json", import.meta.url);
const documentFile = new URL("../../cli/gateway/README.md", import.meta.url);

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(sites, name));
if (unknown.length > 0) {
  console.error(`Cannot try ${unknown.join(", ")}: know ${Object.keys(sites).join(", ")}`);
  process.exit(2);
}

let failed = 0;
const found: Result[] = [];
const project = await createTemporaryDirectory("php-sites");
const main = await stagePackage(project.path);
for (const name of chosen.length > 0 ? chosen : Object.keys(sites)) {
  const undo: (() => unknown)[] = [];
  try {
    console.log(`${sites[name]!.name}: starting ...`);
    const result = await trySite(sites[name]!, undo);
    print(result);
    found.push(result);
    write(name, result);
    if (result.errors.length + result.unexplained.length > 0) failed++;
  } catch (error) {
    failed++;
    console.log(`${name}: ${(error as Error).stack}`);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}
await project.remove();
console.log(`${totalText(found)}.`);
process.exit(failed === 0 ? 0 : 1);

function print({ requests, same, explained, unexplained, errors }: Result): void {
  console.log(`  ${requests} requests of the browser: ${same} answers are the same`);
  for (const [text, count] of Object.entries(explained)) console.log(`${String(count).padStart(6)}  ${text}`);
  for (const text of unexplained) console.log(`     ?  ${text}`);
  for (const text of errors) console.log(`     !  ${text}`);
}

/** Keeps a result, and makes the table of all results. */
function write(name: string, result: Result): void {
  const before = existsSync(resultsFile)
    ? (JSON.parse(readFileSync(resultsFile, "utf8")) as Record<string, Result>)
    : {};
  const known = { ...before, [name]: result };
  const results = Object.fromEntries(Object.keys(sites).flatMap((key) => (known[key] ? [[key, known[key]]] : [])));
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(documentFile, withSites(readFileSync(documentFile, "utf8"), Object.values(results)));
}

/** @param undo What must be called in the end, the last one first. */
async function trySite(site: Site, undo: (() => unknown)[]): Promise<Result> {
  const database = await startMariaDb();
  undo.push(() => database.stop());
  const directory = await createTemporaryDirectory("php-site");
  undo.push(() => directory.remove());
  const folder = join(directory.path, "debian");
  const version = phpVersion();
  await unpackPackages(
    [...site.packages, ...["mbstring", "xml", "intl"].map((name) => `php${version}-${name}`)],
    folder,
  );
  const env = { ...(await environmentWithExtensions(folder)), TMPDIR: directory.path };
  const { root, args } = await site.prepare(folder, database);
  const asRoot = process.getuid?.() === 0 ? ["--user", "root"] : [];
  const gateway = await startProcess(requireRuntime("node24"), {
    name: "fetchcgi gateway",
    args: [main, "gateway", root, "--port", "0", ...args, ...asRoot],
    env,
  });
  undo.push(() => gateway.stop());
  await waitUntil(() => / at http:\S+$/m.test(gateway.stderr()), { message: gateway.stderr });
  const url = / at (http:\S+)\/$/m.exec(gateway.stderr())![1]!;

  const { browser, stop } = await startBrowser(directory.path);
  undo.push(stop);
  const page = await browser.contexts()[0]!.newPage();
  await page.setViewportSize({ width: 1280, height: 900 });
  // A limit that only a hang reaches: MediaWiki installs itself within one request.
  page.setDefaultTimeout(300_000);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // WordPress has pictures of its users on another machine.
    const from = message.location().url;
    if (message.type() === "error" && (from === "" || from.startsWith(url))) errors.push(message.text());
  });
  page.on("response", (response) => {
    if (response.url().startsWith(url) && response.status() >= 400)
      errors.push(`${response.status()} ${response.url()}`);
  });
  const recording = recordRequests(page, url);
  try {
    await site.use(page, url, folder, database);
  } catch (error) {
    const text = await page.textContent("body").catch(() => null);
    console.log(`${page.url()}\n${text?.slice(0, 2000)}\n${gateway.stderr().slice(-4000)}\n${errors.join("\n")}`);
    throw error;
  }

  const { port, host } = new URL(url);
  // The socket of the gateway's own PHP, for nginx.
  const [own] = readdirSync(directory.path).filter((name) => name.startsWith("fetchcgi-gateway-"));
  const nginx = await startNginx({
    http: "include /etc/nginx/mime.types;",
    server: `root ${root};
    index index.php index.html;
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php(/|$) {
      fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
      set $path_info $fastcgi_path_info;
      try_files $fastcgi_script_name =404;
      include fastcgi_params;
      # The site has one address, whichever server answers.
      fastcgi_param HTTP_HOST $http_host;
      fastcgi_param SERVER_NAME $host;
      fastcgi_param SERVER_PORT ${port};
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param PATH_INFO $path_info;
      fastcgi_pass unix:${join(directory.path, own!, "1/php.sock")};
    }`,
  });
  undo.push(() => nginx.stop());
  const requests = (await recording.all()).filter(({ line }) => !site.making?.test(line));
  const changing = Object.values(site.changing).flat();
  let same = 0;
  const explained: Record<string, number> = {};
  const unexplained: string[] = [];
  for (const request of requests) {
    const [theirs, ours] = [
      partsOf(await ask(nginx.port, host, request), changing),
      partsOf(await ask(Number(port), host, request), changing),
    ];
    const names = differencesOf(theirs, ours);
    if (names.length === 0) same++;
    const reasons = new Set<string>();
    for (const name of names) {
      const reason = explanationOf(name, theirs, ours);
      if (reason !== null) reasons.add(reason);
      else {
        const where = firstDifference(theirs.get(name) ?? "", ours.get(name) ?? "");
        unexplained.push(`${request.line}, ${name}: ${where}`);
      }
    }
    for (const reason of reasons) explained[reason] = (explained[reason] ?? 0) + 1;
  }
  await site.leave(page, url);
  const { name, tasks, packages } = site;
  return {
    name,
    version: await versionOf(packages[0]!),
    nginx: await nginxVersion(),
    php: version,
    tasks,
    anew: Object.keys(site.changing),
    requests: requests.length,
    same,
    explained,
    unexplained,
    errors,
  };
}

async function nginxVersion(): Promise<string> {
  const { stderr } = await promisify(execFile)(requireProgram("nginx"), ["-v"]);
  return /nginx\/([\d.]+)/.exec(stderr)?.[1] ?? "";
}
