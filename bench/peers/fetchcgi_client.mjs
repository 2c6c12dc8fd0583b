// Our client: fetchcgi_client.mjs FOLDER BACKEND JOB [multiplexed] [SCRIPT]
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BROWSER_HEADERS, HELLO } from "./answers.mjs";
import { BodyCheck, bodyOf, WIDTHS } from "./client_jobs.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [folder, backend, job, mode, script] = process.argv.slice(2);
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const { FastCgiHttpClient, FastCgiUnixConnector } = await import(pathToFileURL(join(folder, `${runtime}.js`)).href);

const connector =
  script === undefined
    ? new FastCgiUnixConnector(backend, { script: { filename: "/var/www/html/index.php" } })
    : FastCgiUnixConnector.phpFpm(backend, script);
// php-fpm has four workers, and each connection takes one.
const width = script === undefined ? WIDTHS[job] : 4;
const client = new FastCgiHttpClient(connector, {
  keepAlive: true,
  maxIdle: width,
  // Not one of these backends closes a connection by itself.
  reuseForAll: true,
  ...(mode === "multiplexed"
    ? { multiplexing: true, maxConnections: 1, maxConcurrentRequests: width }
    : { maxConnections: width }),
});

const body = bodyOf(job);
const url = "http://localhost:8080/";
const init =
  body === null
    ? { headers: BROWSER_HEADERS }
    : { method: "POST", headers: { ...BROWSER_HEADERS, "content-type": "application/octet-stream" }, body };

async function exchange() {
  const response = await client.fetch(url, init);
  if (response.status !== 200) throw new Error(`Wrong status: ${response.status}`);
  if (job === "large") {
    const check = new BodyCheck(job);
    for await (const chunk of response.body) check.push(chunk);
    check.end();
    return;
  }
  const text = await response.text();
  if (text !== HELLO) throw new Error(`Wrong answer: ${text.length} characters`);
}

await rounds((seconds) => concurrently(width, seconds, exchange));
