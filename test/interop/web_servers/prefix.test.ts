// An application below /app/ of a site, behind each web server: what it sees does not depend on who mounts it, or that it is
// mounted at all.

import { httpRequest } from "../../support/http.ts";
import { honoSite } from "../../support/web_servers/hono_site.ts";
import * as servers from "../../support/web_servers/servers.ts";
import type { Setup } from "../../support/web_servers/setup.ts";
import { describeColumn } from "./battery.ts";
import { type Case, rawRequest } from "./case.ts";

const gets = [
  "/app/",
  "/app/items",
  "/app/items?b=2&a=1&a=%20x+y",
  "/app/items/caf%C3%A9",
  "/app/items/a%2Fb",
  "/app/items/a%20b;c=d,e",
  "/app/items/7/parts/of/it/",
  "/app/items/7/parts//empty",
  "/app/old",
  "/app/nowhere",
];

const exchanges: readonly (readonly [start: string, lines: string, body: string])[] = [
  ...gets.map((target) => [`GET ${target}`, "", ""] as const),
  ["POST /app/items", "Content-Type: application/json\r\nContent-Length: 13\r\n", '{"name":"\xc3\xa9"}'],
  ["DELETE /app/items/7", "", ""],
];

/** What the app answers where nothing is in front of it. */
const native = await Promise.all(
  exchanges.map(async ([start, _, body]) => {
    const [method = "", target] = start.split(" ");
    const headers = { "content-type": "application/json" };
    const init = { method, ...(body !== "" && { headers, body: Buffer.from(body, "latin1") }) };
    const response = await honoSite.fetch(new Request(`http://example.test${target}`, init));
    return `${start}: ${response.status} ${Buffer.from(await response.arrayBuffer()).toString("latin1")}`;
  }),
);

type Split = readonly [scriptName: string | null, pathInfo: string | null];

function rows(split: Split): readonly Case[] {
  return [
    {
      name: "a Hono app below /app/ answers as it does natively",
      expected: native,
      run: (world) =>
        Promise.all(
          exchanges.map(async ([start, lines, body]) => {
            const response = await rawRequest(world, start, lines, body);
            return `${start}: ${response.status} ${response.body}`;
          }),
        ),
    },
    {
      name: "SCRIPT_NAME and PATH_INFO below /app/ are what this web server makes of them",
      expected: split,
      run: async (world) => JSON.parse((await httpRequest(`${world.url}/app/split`)).text()),
    },
  ];
}

const columns: readonly (Setup & { readonly measured: string; readonly split: Split })[] = [
  { server: servers.nginx, example: "nginx/prefix.conf", measured: "1.22.1", split: ["/app", "/split"] },
  { server: servers.apache, example: "apache/proxy_fcgi_prefix.conf", measured: "2.4.71", split: ["/app", "/split"] },
  {
    server: servers.apacheFcgid,
    example: "apache/fcgid_prefix.conf",
    spawns: true,
    measured: "2.4.71",
    split: ["/app", "/split"],
  },
  { server: servers.lighttpd, example: "lighttpd/prefix.conf", measured: "1.4.69", split: ["/app/split", null] },
  { server: servers.caddy, example: "caddy/prefix.Caddyfile", measured: "2.6.2", split: ["", "/app/split"] },
  { server: servers.haproxy, example: "haproxy/prefix.cfg", measured: "2.6.12", split: ["/app", "/split"] },
  { server: servers.h2o, example: "h2o/prefix.conf", measured: "2.2.5", split: ["", "/app/split"] },
];
for (const { split, ...column } of columns) describeColumn(column, rows(split));
