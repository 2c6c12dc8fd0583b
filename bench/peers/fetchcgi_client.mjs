// Our client: fetchcgi_client.mjs FOLDER OPTIONS BACKEND JOB, where OPTIONS are more options of the client, as JSON, and `response` the
// name of its responseClass.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { alphabet, BROWSER_HEADERS, HELLO, LARGE } from "./answers.mjs";
import { BodyCheck, bodyOf, WIDTHS } from "./client_jobs.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [folder, options, backend, job] = process.argv.slice(2);
const library = await import(pathToFileURL(join(folder, "node.js")).href);
const { FastCgiHttpClient, FastCgiUnixConnector } = library;
const { response, ...more } = JSON.parse(options);

const width = WIDTHS[job];
const client = new FastCgiHttpClient(
  new FastCgiUnixConnector(backend, { script: { filename: "/var/www/html/index.php" } }),
  // Not one of these backends closes a connection by itself.
  {
    keepAlive: true,
    maxConnections: width,
    maxIdle: width,
    reuseForAll: true,
    responseClass: library[response],
    ...more,
  },
);

const body = bodyOf(job);
const expected = job === "text" ? Buffer.from(alphabet(LARGE)).toString() : HELLO;
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
  if (text !== expected) throw new Error(`Wrong answer: ${text.length} characters`);
}

await rounds((seconds) => concurrently(width, seconds, exchange));
