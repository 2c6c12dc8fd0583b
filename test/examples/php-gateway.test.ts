import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { connect } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FastCgiHttpClient, FastCgiTcpConnector } from "../../adapters/node/index.ts";
import { type Example, startExample } from "../support/example.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import type { FastCgiTargets } from "../support/target.ts";

let example: Example;
let certificate: X509Certificate;

beforeAll(async () => {
  example = await startExample("php-gateway");
  certificate = await certificateOf(example.url);
});

afterAll(() => example?.stop());

async function certificateOf(url: string): Promise<X509Certificate> {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw);
}

/** A request over HTTPS that trusts the example's own certificate, and no other. */
async function get(url: string, ca: X509Certificate, body?: Iterable<Uint8Array>): Promise<[number, string]> {
  const method = body === undefined ? "GET" : "POST";
  const outgoing = request(url, { method, agent: false, ca: ca.toString() });
  const response = once(outgoing, "response");
  await pipeline(Readable.from(body ?? [], { objectMode: false }), outgoing);
  const [incoming] = await response;
  return [incoming.statusCode, await text(incoming)];
}

test("php-gateway serves PHP over HTTPS with a certificate of its own", async () => {
  expect(example.url).toMatch(/^https:/);
  expect(certificate.subjectAltName).toContain("IP Address:127.0.0.1");
  const [status, page] = await get(`${example.url}/`, certificate);
  expect(status).toBe(200);
  expect(page).toMatch(/<h1>A PHP site<\/h1>\n<p>Hello from PHP \d+\.\d+\.\S+ over HTTPS\. /);
});

test("php-gateway answers with scripts and files, and with index.php where there is neither", async () => {
  const style = readFileSync(new URL("../../examples/php-gateway/app/style.css", import.meta.url), "utf8");
  expect(await get(`${example.url}/style.css`, certificate)).toEqual([200, style]);
  expect(await get(`${example.url}/hello/J%C3%BCrgen?x=1`, certificate)).toEqual([
    200,
    "Hello Jürgen from 127.0.0.1\n",
  ]);
  for (const path of ["/other.php", "/upload.jpg/x.php", "/style.css/x.php", "/app/", "/.env"]) {
    expect(await get(`${example.url}${path}`, certificate), path).toEqual([404, "No such page\n"]);
  }
});

test("php-gateway shows no source", async () => {
  for (const path of [
    "/config.php",
    "/config%2ephp",
    "/config.php/x",
    "/config.PHP",
    "/config.php%20",
    "/config%252ephp",
  ]) {
    const [, page] = await get(`${example.url}${path}`, certificate);
    expect(page, path).not.toMatch(/<\?php|password/);
  }
});

test("php-gateway sends uploads of unknown length whole", async () => {
  const bytes = 3_000_000;
  const [, page] = await get(`${example.url}/upload.php`, certificate, patternChunks(bytes));
  expect(page).toBe(`${bytes} bytes, SHA-256 ${patternSha256(bytes)}\n`);
});

test("php-gateway answers more requests at once than php-fpm has workers", async () => {
  const pages = await Promise.all(
    Array.from({ length: 20 }, (_, number) => get(`${example.url}/hello/${number}`, certificate)),
  );
  expect(pages).toEqual(pages.map((_, number) => [200, `Hello ${number} from 127.0.0.1\n`]));
});

test("php-gateway stops on SIGTERM, and php-fpm with it", async () => {
  const config = readFileSync(join(example.folder, example.leftovers()[0]!, "php-fpm.conf"), "utf8");
  const address = /^listen = (.*)$/m.exec(config)![1]!;
  process.kill(example.pid, "SIGTERM");
  expect(await example.exited).toBe("code 0");
  expect(example.stderr()).toBe("");
  expect(example.leftovers()).toEqual([]);
  // Every process of php-fpm has the socket.
  const gone = new FastCgiHttpClient(FastCgiTcpConnector.phpFpm(address, "/nowhere.php")).fetch("http://localhost/");
  await expect(gone).rejects.toMatchObject({ code: "connectFailed" });
});

test("php-gateway takes the address of a php-fpm that runs, and answers 502 when it is gone", async () => {
  const php: PhpFpm<FastCgiTargets["tcp"]> = await startPhpFpm({ listen: "tcp" });
  const { host, port } = php.target;
  const gateway = await startExample("php-gateway", { PHP_FPM: `${host}:${port}` });
  try {
    const ca = await certificateOf(gateway.url);
    expect(await get(`${gateway.url}/hello/you`, ca)).toEqual([200, "Hello you from 127.0.0.1\n"]);
    await php.stop();
    expect(await get(`${gateway.url}/hello/you`, ca)).toEqual([502, "Cannot answer\n"]);
    expect(gateway.stderr()).toContain("connectFailed");
  } finally {
    await gateway.stop();
    await php.stop();
  }
});
