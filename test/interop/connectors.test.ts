import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  FastCgiHttpClient,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
  failover,
  roundRobin,
} from "../../adapters/node/index.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import type { FastCgiTargets } from "../support/target.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { Gate } from "./php/gate.ts";

failOnUnhandledRejections();

const script = { filename: join(phpScripts, "pid.php"), name: "/pid.php" };

/** Two pools, and the connectors that lead to them. */
async function startPools() {
  const tcp: PhpFpm<FastCgiTargets["tcp"]> = await startPhpFpm({ listen: "tcp" });
  onTestFinished(() => tcp.stop());
  const unix: PhpFpm<FastCgiTargets["unix"]> = await startPhpFpm();
  onTestFinished(() => unix.stop());
  const connectors = [
    FastCgiTcpConnector.phpFpm({ hostname: tcp.target.host, port: tcp.target.port }, script),
    FastCgiUnixConnector.phpFpm(unix.target.path, script),
  ];
  return { tcp, unix, connectors };
}

/** The processes that answer `count` requests at once. */
function pidsOf(client: FastCgiHttpClient, count: number): Promise<number[]> {
  const fetchPid = async (): Promise<number> => Number(await (await client.fetch("http://example.test/")).text());
  return Promise.all(Array.from({ length: count }, fetchPid));
}

describe("two php-fpm pools", () => {
  it.each([false, true])("failover loses no request when the first pool ends (keepAlive: %s)", async (keepAlive) => {
    const { tcp, unix, connectors } = await startPools();
    const [first, second] = [await tcp.workers(), await unix.workers()];
    const onFailure = vi.fn();
    // No more connections than workers: a kept one keeps its worker.
    const client = new FastCgiHttpClient(failover(connectors, { onFailure }), { keepAlive, maxConnections: 4 });
    onTestFinished(async () => client.close());
    expect(first).toEqual(expect.arrayContaining(await pidsOf(client, 4)));
    await tcp.stop();
    expect(second).toEqual(expect.arrayContaining(await pidsOf(client, 20)));
    expect(onFailure).toHaveBeenCalledWith(expect.objectContaining({ code: "connectFailed" }), connectors[0]);
    const failures = onFailure.mock.calls.length;
    expect(second).toEqual(expect.arrayContaining(await pidsOf(client, 20)));
    expect(onFailure).toHaveBeenCalledTimes(failures);
  });

  it("roundRobin loses no request when one pool ends while the other is at work", async () => {
    const { tcp, unix, connectors } = await startPools();
    const client = new FastCgiHttpClient(roundRobin(connectors));
    onTestFinished(async () => client.close());
    const workers = [await tcp.workers(), await unix.workers()];
    const pids = [(await pidsOf(client, 1))[0]!, (await pidsOf(client, 1))[0]!];
    expect(pids.map((pid) => workers.findIndex((pool) => pool.includes(pid)))).toEqual([0, 1]);

    const gate = await Gate.create();
    onTestFinished(() => gate.remove());
    await pidsOf(client, 1);
    const atWork = client.fetch(`http://example.test/?${gate.query(1)}`, {
      params: { SCRIPT_FILENAME: join(phpScripts, "gate.php") },
    });
    expect(workers[1]).toContain(await gate.started());
    await tcp.stop();
    expect(workers[1]).toEqual(expect.arrayContaining(await pidsOf(client, 20)));
    await gate.open(0);
    expect(await (await atWork).text()).toBe("chunk 0\n");
  });

  it("fetch rejects when both pools have ended", async () => {
    const { tcp, unix, connectors } = await startPools();
    const client = new FastCgiHttpClient(failover(connectors));
    onTestFinished(async () => client.close());
    await Promise.all([tcp.stop(), unix.stop()]);
    await expect(client.fetch("http://example.test/")).rejects.toMatchObject({
      code: "connectFailed",
      gatewayStatus: 502,
      message: expect.stringMatching(/^Cannot connect: all 2 connectors failed: .* \(ECONNREFUSED\); .* \(ENOENT\)$/),
    });
  });
});
