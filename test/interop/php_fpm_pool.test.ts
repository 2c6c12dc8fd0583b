// php-fpm and the pool: a worker has one connection at a time, and a connection that is kept has a worker.

import { describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, type FastCgiHttpClientOptions, type FastCgiRetry } from "../../adapters/node/index.ts";
import { connectorTo, counting, startPool } from "../support/php_client.ts";
import type { PhpFpm } from "../support/php_fpm.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { Gate } from "./php/gate.ts";

failOnUnhandledRejections();

/** A client of pool.php whose connections are counted. */
function clientOf(php: PhpFpm, options: FastCgiHttpClientOptions = {}, script = "pool.php") {
  const { count, connector } = counting(connectorTo(php.target, script));
  const client = new FastCgiHttpClient(connector, options);
  onTestFinished(() => client.close());
  return { client, count };
}

interface Answer {
  pid: number;
  n: string;
  body: string;
}

/** A request of a crowd, by its number: every third is a POST. */
async function ask(client: FastCgiHttpClient, n: number, microseconds = 0): Promise<Answer> {
  const init = n % 3 === 0 ? { method: "POST", body: `body ${n}` } : {};
  const response = await client.fetch(`http://example.test/?n=${n}&us=${microseconds}`, init);
  return (await response.json()) as Answer;
}

describe.each(["unix", "tcp"] as const)("php-fpm pools (%s)", (listen) => {
  it("fetch succeeds 20 times at once with 2 workers", async () => {
    const php = await startPool({ listen, pool: { "pm.max_children": "2" } });
    const { client } = clientOf(php, {});
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(client, n)));
    const workers = await php.workers();
    expect(workers).toEqual(expect.arrayContaining([...new Set(answers.map(({ pid }) => pid))]));
  });

  it.each([false, true])(
    "fetch succeeds 200 times at once with 4 workers and maxConnections: 4 (keepAlive: %s)",
    async (keepAlive) => {
      const php = await startPool({ listen, pool: { "pm.max_children": "4", "listen.backlog": "4" } });
      const { client, count } = clientOf(php, { maxConnections: 4, keepAlive });
      const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(client, n, 2000)));
      for (const [n, answer] of answers.entries()) {
        expect(answer).toMatchObject({ n: String(n), body: n % 3 === 0 ? `body ${n}` : "" });
      }
      expect(count.most).toBe(4);
      expect(new Set(answers.map(({ pid }) => pid)).size).toBe(4);
      await client.close();
      expect(count.open).toBe(0);
    },
  );

  it("fetch loses nothing in thousands of requests on kept connections when pm.max_requests ends the workers", async () => {
    const requests = listen === "unix" ? 5000 : 1000;
    const php = await startPool({ listen, pool: { "pm.max_children": "4", "pm.max_requests": "20" } });
    const retries: FastCgiRetry[] = [];
    const { client, count } = clientOf(php, {
      keepAlive: true,
      maxConnections: 4,
      maxQueuedRequests: 100,
      onRetry: (retry) => retries.push(retry),
    });
    // Some of them wait in the client's line. All at once they would keep this process busy for longer than php-fpm waits for the first
    // bytes of a connection, which is five seconds.
    const answers: Answer[] = [];
    let next = 0;
    const askOn = async (): Promise<void> => {
      while (next < requests) {
        const n = next++;
        answers[n] = await ask(client, n);
      }
    };
    await Promise.all(Array.from({ length: 100 }, askOn));
    expect(answers.map(({ n }) => n)).toEqual(Array.from({ length: requests }, (_, n) => String(n)));
    expect(answers.filter(({ body }) => body !== "").map(({ body }) => body)).toEqual(
      Array.from({ length: Math.ceil(requests / 3) }, (_, index) => `body ${index * 3}`),
    );
    // A worker that ends at its 20th request, and connections that end with it.
    expect(new Set(answers.map(({ pid }) => pid)).size).toBeGreaterThanOrEqual(requests / 20);
    expect(count.most).toBeLessThanOrEqual(4);
    expect(retries.every(({ attempt }) => attempt <= 2)).toBe(true);
  });

  it("fetch frees the worker when it is cancelled", async () => {
    // The only one, so what follows is answered by the one that was freed, or never.
    const php = await startPool({ listen, pool: { "pm.max_children": "1" } });
    for (const cancel of ["signal", "body"] as const) {
      const gate = await Gate.create();
      onTestFinished(() => gate.remove());
      await gate.open(0);
      const controller = new AbortController();
      const { client } = clientOf(php, {}, "gate.php");
      const response = await client.fetch(`http://example.test/?${gate.query(200)}`, { signal: controller.signal });
      const worker = await gate.hasSent(0);
      if (cancel === "signal") controller.abort();
      else await response.body!.cancel();
      await gate.open("all");
      expect(await gate.ended()).toBe("aborted");
      expect(await ask(clientOf(php).client, 1)).toMatchObject({ pid: worker, n: "1" });
    }
  });

  it("fetch rejects at once when too many wait, and serves those that wait", async () => {
    const php = await startPool({ listen, pool: { "pm.max_children": "1" } });
    const { client } = clientOf(php, { maxConnections: 1, maxQueuedRequests: 2 });
    const all = Array.from({ length: 4 }, (_, n) => ask(client, n, 1000));
    await expect(all[3]).rejects.toMatchObject({ code: "limit", limit: "maxQueuedRequests", gatewayStatus: 503 });
    expect((await Promise.all(all.slice(0, 3))).map(({ n }) => n)).toEqual(["0", "1", "2"]);
  });

  it("fetch goes on without an error when php-fpm's workers are killed while their connections are idle", async () => {
    const php = await startPool({ listen, pool: { "pm.max_children": "2" } });
    const { client } = clientOf(php, { keepAlive: true, maxConnections: 2 });
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all([ask(client, 1), ask(client, 2)]);
      // No wait: the client may or may not have heard of it.
      for (const { pid } of answers) process.kill(pid, "SIGKILL");
    }
    expect((await ask(client, 7)).n).toBe("7");
  });
});
