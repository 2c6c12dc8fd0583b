// A folder of scripts, files, and sources that no HTTP client may read, through php-fpm and several file servers.

import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type ServerRequest, serve } from "srvx";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  FastCgiHttpClient,
  FastCgiUnixConnector,
  type FileServer,
  fileOnDisk,
  phpSite,
  scriptOnDisk,
} from "../../adapters/node/index.ts";
import { fileServers } from "../support/file_servers.ts";
import { exchangeHttp } from "../support/http_message.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import { plantSources, SOURCE_MARK, SOURCE_PATHS } from "../support/source_paths.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let directory: TemporaryDirectory;
let root: string;
let fpm: PhpFpm;
let php: FastCgiHttpClient;
const stops: (() => Promise<unknown>)[] = [];

const SHOW = `<?php echo $_SERVER['SCRIPT_NAME'], '|', $_SERVER['PATH_INFO'] ?? '', '|', $_SERVER['REQUEST_URI'], '|', $_SERVER['REMOTE_ADDR'];`;

beforeAll(async () => {
  directory = await createTemporaryDirectory("site");
  root = join(directory.path, "public");
  for (const folder of ["sub", "uploads", ".well-known/acme-challenge"])
    mkdirSync(join(root, folder), { recursive: true });
  plantSources(root);
  for (const name of ["index.php", "rest.php", "sub/index.php"]) writeFileSync(join(root, name), SHOW);
  writeFileSync(join(root, "style.css"), "body {}");
  writeFileSync(join(root, "sub/ü b.txt"), "0123456789");
  writeFileSync(join(root, ".well-known/acme-challenge/token"), "answer");
  symlinkSync("../style.css", join(root, "sub/linked.css"));
  // As careless as the file servers: whatever runs, the client has let it.
  fpm = await startPhpFpm({ pool: { "security.limit_extensions": "", "php_admin_value[cgi.fix_pathinfo]": "1" } });
  php = new FastCgiHttpClient(FastCgiUnixConnector.phpFpm((fpm.target as { path: string }).path));
});
afterAll(async () => {
  for (const stop of stops) await stop();
  await php?.close();
  await fpm?.stop();
  await directory?.remove();
});

/** Serves with srvx, on a port of its own. */
async function startServer(fetch: (request: ServerRequest) => Response | Promise<Response>): Promise<number> {
  const server = await serve({ port: 0, hostname: "127.0.0.1", silent: true, gracefulShutdown: false, fetch }).ready();
  stops.push(() => server.close(true));
  return Number(new URL(server.url!).port);
}

function startSite(files: FileServer): Promise<number> {
  return startServer(
    phpSite({
      documentRoot: root,
      resolve: scriptOnDisk(root),
      resolveFile: fileOnDisk(root),
      php,
      files,
      init: (request: ServerRequest) => ({ remoteAddress: request.ip }),
    }),
  );
}

/** The paths whose answer has something of a source, and how many answers there were. */
async function leaksOf(port: number): Promise<{ leaks: string[]; statuses: Set<number> }> {
  const leaks: string[] = [];
  const statuses = new Set<number>();
  for (const path of SOURCE_PATHS) {
    const { status, body, headers } = await exchangeHttp(port, `GET ${path}`, "Host: site.test\r\nRange: bytes=0-\r\n");
    statuses.add(status);
    if (JSON.stringify([headers, body]).includes(SOURCE_MARK)) leaks.push(path);
  }
  return { leaks, statuses };
}

describe.each(Object.entries(fileServers))("a site with the file server %s", (_, fileServer) => {
  let site: number;
  beforeAll(async () => {
    site = await startSite(fileServer(root));
  });

  it("phpSite sends no source for any of 300 paths, where the file server alone does for some", async () => {
    expect(SOURCE_PATHS.length).toBeGreaterThan(300);
    const alone = await startServer(
      async (request) => (await fileServer(root)(request)) ?? new Response(null, { status: 404 }),
    );
    const { leaks } = await leaksOf(alone);
    expect(leaks.length).toBeGreaterThan(50);
    expect(leaks).toContain("/config.php");
    const { leaks: ofSite, statuses } = await leaksOf(site);
    expect(ofSite).toEqual([]);
    // Whatever is no script is the front controller's, but for what is no path, or leads to a folder or to style.css.
    expect([...statuses].filter((status) => ![200, 206, 308, 400].includes(status))).toEqual([]);
  });

  it("phpSite answers with scripts, files and folders as nginx and Caddy do", async () => {
    const ask = async (path: string, lines = ""): Promise<[number, string]> => {
      const { status, body } = await exchangeHttp(site, path, `Host: site.test\r\n${lines}`);
      return [status, body];
    };
    const table: [path: string, status: number, body: string][] = [
      ["GET /", 200, "/index.php||/|127.0.0.1"],
      ["GET /rest.php/v1/page/A%2FB?x=1", 200, "/rest.php|/v1/page/A/B|/rest.php/v1/page/A%2FB?x=1|127.0.0.1"],
      ["GET /wiki/AC%2FDC", 200, "/index.php||/wiki/AC%2FDC|127.0.0.1"],
      ["GET /sub", 308, ""],
      ["GET /sub/", 200, "/sub/index.php||/sub/|127.0.0.1"],
      ["GET /style.css", 200, "body {}"],
      ["HEAD /style.css", 200, ""],
      ["GET /sub/linked.css", 200, "body {}"],
      ["GET /sub/%C3%BC%20b.txt", 200, "0123456789"],
      ["GET /.well-known/acme-challenge/token", 200, "answer"],
      ["GET /config.php", 200, "ran"],
      ["GET /missing.css", 200, "/index.php||/missing.css|127.0.0.1"],
      ["DELETE /style.css", 200, "/index.php||/style.css|127.0.0.1"],
      ["GET /a%00b", 400, "Bad Request\n"],
    ];
    for (const [path, status, body] of table) expect(await ask(path), path).toEqual([status, body]);
  });
});

it("phpSite passes ranges and conditions on to the file server", async () => {
  const site = await startSite(fileServers.srvx!(root));
  const url = `http://127.0.0.1:${site}/sub/%C3%BC%20b.txt`;
  const part = await fetch(url, { headers: { range: "bytes=2-4" } });
  expect([part.status, part.headers.get("content-range"), await part.text()]).toEqual([206, "bytes 2-4/10", "234"]);
  const whole = await fetch(url);
  expect(await whole.text()).toBe("0123456789");
  const again = await fetch(url, { headers: { "if-none-match": whole.headers.get("etag")! } });
  expect(again.status).toBe(304);
});

it("phpSite runs the script of a POST whose client leaves at once, as WordPress does to start its cron", async () => {
  const [ran, script] = [join(root, "uploads/ran.txt"), join(root, "cron.php")];
  writeFileSync(script, `<?php ignore_user_abort(true); file_put_contents(${JSON.stringify(ran)}, "ran");`);
  chmodSync(join(root, "uploads"), 0o777);
  const site = await startSite(fileServers.srvx!(root));
  const socket = connect(site, "127.0.0.1");
  socket.write("POST /cron.php?doing_wp_cron HTTP/1.0\r\nHost: site.test\r\nContent-Length: 0\r\n\r\n", () => {
    socket.destroy();
  });
  await waitUntil(() => existsSync(ran), { message: () => "The script did not run" });
});
