// Sites as hosters set them up: an application by .htaccess alone, and an application beside PHP.

import { chmod, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { serve } from "../../../adapters/node/index.ts";
import { bundle } from "../../support/bundle.ts";
import { httpRequest } from "../../support/http.ts";
import { startPhpFpm } from "../../support/php_fpm.ts";
import { createTemporaryDirectory } from "../../support/temporary_directory.ts";
import { exampleText } from "../../support/web_servers/example_config.ts";
import { apache, apacheWithHtaccess, nginx } from "../../support/web_servers/servers.ts";
import { siteHandler } from "../../support/web_servers/site_program.ts";
import {
  type RunningWebServer,
  type StartOptions,
  startWebServer,
  type WebServer,
} from "../../support/web_servers/web_server.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A folder that Apache's workers, who come as our group, may enter. */
async function makeFolder(name: string): Promise<string> {
  const folder = await createTemporaryDirectory(name);
  stops.push(() => folder.remove());
  await chmod(folder.path, 0o750);
  return folder.path;
}

async function start(server: WebServer, options: StartOptions): Promise<RunningWebServer> {
  const running = await startWebServer(server, options);
  stops.push(() => running.stop());
  return running;
}

async function startApplication(): Promise<string> {
  const path = join(await makeFolder("application"), "app.sock");
  const server = await serve({ path, listener: siteHandler });
  stops.push(() => server.close({ timeout: 0 }));
  return path;
}

describe("an application by .htaccess alone", () => {
  const asks = [
    ["/", "GET / 127.0.0.1 undefined"],
    ["/any/path?x=%2F", "GET /any/path?x=%2F 127.0.0.1 undefined"],
    ["/file.txt", "a file"],
    ["/with/authorization", "GET /with/authorization 127.0.0.1 Bearer token"],
  ] as const;

  async function expectSite(running: RunningWebServer): Promise<void> {
    await writeFile(join(running.www, "file.txt"), "a file");
    for (const [path, text] of asks) {
      const headers = path.endsWith("authorization") ? { authorization: "Bearer token" } : {};
      const response = await httpRequest(running.url + path, { headers });
      expect([response.status, response.text()], `${path}\n${running.log()}`).toEqual([200, text]);
    }
    const posted = await httpRequest(`${running.url}/form`, { body: "a=1" });
    expect(posted.text()).toBe("POST /form 127.0.0.1 undefined a=1");
  }

  it("is asked by Apache for every path but those of files when it runs already", async () => {
    const socket = await startApplication();
    const running = await start(apacheWithHtaccess, { example: "apache/proxy_fcgi_prefix.conf", socket });
    await writeFile(
      join(running.www, ".htaccess"),
      exampleText("apache/htaccess_proxy").replace("/run/app/app.sock", socket),
    );
    await expectSite(running);
  });

  it("is started by Apache when its script is in the folder", async () => {
    const folder = await makeFolder("program");
    const program = await bundle("test/support/web_servers/site_program.ts", folder);
    const running = await start(apacheWithHtaccess, {
      example: "apache/proxy_fcgi_prefix.conf",
      socket: join(folder, "no.sock"),
    });
    await writeFile(join(running.www, ".htaccess"), exampleText("apache/htaccess_fcgid"));
    const script = join(running.www, "app.fcgi");
    await writeFile(script, `#!/bin/sh\nexec "${process.execPath}" "${program}"\n`);
    await chmod(script, 0o755);
    await expectSite(running);
  });
});

describe.each([
  ["nginx", nginx, "nginx/beside_php.conf"],
  ["Apache", apache, "apache/beside_php.conf"],
] as const)("behind %s", (_, server, example) => {
  it("the application is asked below /api/ only, and PHP for the rest", async () => {
    const fpm = await startPhpFpm();
    stops.push(() => fpm.stop());
    const php = (fpm.target as { path: string }).path;
    await chmod(dirname(php), 0o750);
    const running = await start(server, { example, socket: await startApplication(), php });
    await chmod(running.www, 0o750);
    await writeFile(join(running.www, "index.php"), '<?php echo "PHP ", $_SERVER["REQUEST_URI"];');
    await writeFile(join(running.www, "page.php"), '<?php echo "page";');
    await writeFile(join(running.www, "style.css"), "body {}");
    const texts: Record<string, string> = {};
    for (const path of ["/", "/blog/1?x=2", "/page.php", "/style.css", "/api/time", "/api/x.php"]) {
      texts[path] = (await httpRequest(running.url + path)).text();
    }
    expect(texts, running.log()).toEqual({
      "/": "PHP /",
      "/blog/1?x=2": "PHP /blog/1?x=2",
      "/page.php": "page",
      "/style.css": "body {}",
      "/api/time": "GET /api/time 127.0.0.1 undefined",
      "/api/x.php": "GET /api/x.php 127.0.0.1 undefined",
    });
  });
});
