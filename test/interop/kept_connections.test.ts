// Connections that web servers keep: a request that is sent at the moment in which the application closes its connection is lost, so
// the application closes none that is in use.

import { Agent, get } from "node:http";
import { expect, it, onTestFinished } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { apache, haproxy, nginx } from "../support/web_servers/servers.ts";
import { startSetup } from "../support/web_servers/setup.ts";

failOnUnhandledRejections();

const CLIENTS = 16;

const servers = [
  { name: "nginx", server: nginx, example: "nginx/site.conf" },
  { name: "Apache", server: apache, example: "apache/proxy_fcgi.conf" },
  { name: "HAProxy", server: haproxy, example: "haproxy/haproxy.cfg" },
];

/** Sends `count` requests on connections that are kept. Returns what was not a 200 with the right body. */
async function failuresOf(url: string, count: number): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  onTestFinished(() => agent.destroy());
  const failures: string[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    for (let id = ++next; id <= count; id = ++next) {
      const answer = await ask(`${url}/${id}`, agent).catch(String);
      if (answer !== `200 /${id}`) failures.push(`${id}: ${answer}`);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return failures;
}

function ask(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => resolve(`${response.statusCode} ${text}`));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

it.each(servers)(
  "$name loses none of 4,000 requests when maxRequestsPerConnection is 50",
  async ({ server, example }) => {
    const errors: unknown[] = [];
    const world = await startSetup({ server, example }, (path) =>
      serve({
        path,
        maxRequestsPerConnection: 50,
        onError: (error) => errors.push(error),
        async fetch(request) {
          // A turn, so that requests overlap.
          await new Promise((resolve) => setImmediate(resolve));
          return new Response(new URL(request.url).pathname);
        },
      }),
    );
    onTestFinished(() => world.stop());
    expect(await failuresOf(world.url, 4000)).toEqual([]);
    expect(errors).toEqual([]);
  },
  120_000,
);
