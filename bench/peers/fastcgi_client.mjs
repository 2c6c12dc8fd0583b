// fastcgi-client from npm, with all requests on one connection. fastcgi_client.mjs BACKEND JOB
import { once } from "node:events";
import { createRequire } from "node:module";
import { nginxParams } from "./answers.mjs";
import { bodyOf, OutputCheck, WIDTHS } from "./client_jobs.mjs";
import { concurrently, rounds } from "./ready.mjs";

const [backend, job] = process.argv.slice(2);
const createClient = createRequire(import.meta.url)("fastcgi-client");
const client = createClient({
  sockFile: backend,
  skipCheckServer: true,
  mpxsConns: true,
  maxConns: 65_535,
  maxReqs: 65_535,
});
await once(client, "ready");

const bytes = bodyOf(job);
const body = bytes === null ? undefined : Buffer.from(bytes.buffer);

function exchange() {
  return new Promise((resolve, reject) => {
    client.request(nginxParams(body?.length), (error, request) => {
      if (error) {
        reject(error);
        return;
      }
      const check = new OutputCheck(job);
      request.stdout.on("data", (chunk) => check.push(chunk));
      request.stderr.resume();
      request.stdout.on("end", () => {
        const status = request.getExitStatus();
        if (status !== 0) {
          reject(status);
          return;
        }
        try {
          check.end();
          resolve();
        } catch (wrong) {
          reject(wrong);
        }
      });
      request.stdin.end(body);
    });
  });
}

// It loses some of its requests when it changes its connection, which it does every 65,535 requests; what never ends must
// not keep the round from ending.
const TIMEOUT = 2_000;

await rounds((seconds) =>
  concurrently(WIDTHS[job], seconds, async () => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("No answer")), TIMEOUT);
    });
    try {
      await Promise.race([exchange(), late]);
    } finally {
      clearTimeout(timer);
    }
  }),
);
