// Express in front of a real php-fpm: what goes through the middleware both ways.

import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import express from "express";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import {
  FastCgiHttpClient,
  FastCgiUnixConnector,
  scriptOnDisk,
  scriptsIn,
  toMiddleware,
} from "../../adapters/node/index.ts";
import { httpOpen, httpRequest, nextPiece } from "../support/http.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { Gate } from "./php/gate.ts";

let fpm: PhpFpm<FastCgiTargets["unix"]>;
let php: FastCgiHttpClient;
let url: string;
const errors: unknown[] = [];

beforeAll(async () => {
  fpm = await startPhpFpm();
  php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(fpm.target.path), { onStderr() {} });
  const script = scriptsIn({ documentRoot: phpScripts, resolve: scriptOnDisk(phpScripts) });
  const app = express();
  app.use(toMiddleware(php.fetch, { script }));
  app.use(express.text());
  app.post("/native", (req, res) => void res.send(`native ${req.body}`));
  app.use(((error, _req, res, next) => {
    errors.push(error);
    if (res.headersSent) return next(error);
    res.status(error.status ?? 500).end();
  }) as express.ErrorRequestHandler);
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  onStop.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
});
const onStop: (() => unknown)[] = [];
afterAll(async () => {
  for (const stop of onStop) await stop();
  await php?.close({ timeout: 1000 });
  await fpm?.stop();
});

it("uploads whole, with and without a length", async () => {
  const bytes = 20_000_000;
  const expected = { bytes, sha256: patternSha256(bytes), contentLength: String(bytes) };
  for (const headers of [{}, { "Content-Length": String(bytes) }]) {
    const answer = await httpRequest(`${url}/upload-digest.php`, { headers, body: patternChunks(bytes) });
    expect(JSON.parse(answer.text())).toEqual(expected);
  }
});

it("downloads whole", async () => {
  const bytes = 5_000_000;
  const { body } = await httpRequest(`${url}/big.php?bytes=${bytes}`);
  expect(body.length).toBe(bytes);
});

it("has every cookie and every repeated header, and the scripts' own 404", async () => {
  const cookies = await httpRequest(`${url}/cookies.php`, { headers: { Cookie: "a=1; b=2" } });
  expect(JSON.parse(cookies.text())).toEqual({ a: "1", b: "2" });
  expect(cookies.headers["set-cookie"]).toHaveLength(3);
  const missing = await httpRequest(`${url}/status.php?code=404`);
  expect([missing.status, missing.text()]).toEqual([404, "status 404\n"]);
  const head = await httpRequest(`${url}/status.php`, { method: "HEAD" });
  expect([head.status, head.body.length]).toEqual([200, 0]);
  expect((await httpRequest(`${url}/status.php?code=304`)).status).toBe(304);
});

it("leaves what is no script, with its body, to the middleware after it", async () => {
  const headers = { "Content-Type": "text/plain" };
  expect((await httpRequest(`${url}/native`, { headers, body: "words" })).text()).toBe("native words");
});

async function openGate(): Promise<Gate> {
  const gate = await Gate.create();
  onTestFinished(() => gate.remove());
  return gate;
}

it("passes on each piece when PHP flushes it", async () => {
  const gate = await openGate();
  await gate.open(0);
  const response = await httpOpen(`${url}/gate.php?${gate.query(2)}`);
  expect(await nextPiece(response)).toBe("chunk 0\n");
  await gate.open(1);
  expect(await nextPiece(response)).toBe("chunk 1\n");
  expect(await text(response)).toBe("");
});

it("ends the script, and reports nothing, when the client leaves", async () => {
  const gate = await openGate();
  await gate.open(0);
  const response = await httpOpen(`${url}/gate.php?${gate.query(200)}`);
  expect(await nextPiece(response)).toBe("chunk 0\n");
  response.destroy();
  await waitUntil(() => php.status.connections === 0);
  await gate.open("all");
  expect(await gate.ended()).toBe("aborted");
  expect(errors).toEqual([]);
});

it("cuts the response, and reports it, when PHP dies in the middle", async () => {
  const gate = await openGate();
  await gate.open(0);
  const response = await httpOpen(`${url}/gate.php?${gate.query(2)}`);
  expect(await nextPiece(response)).toBe("chunk 0\n");
  process.kill(await gate.hasSent(0), "SIGKILL");
  await expect(text(response)).rejects.toThrow();
  expect(errors.splice(0)).toEqual([expect.objectContaining({ code: "connectionClosed", status: 502 })]);
});

it("gives what the script may not have to Express, with the status", async () => {
  expect((await httpRequest(`${url}/%00`)).status).toBe(400);
  expect(errors.splice(0)).toEqual([expect.objectContaining({ code: "malformedRequest", status: 400 })]);
});
