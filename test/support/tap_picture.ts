// The program behind `npm run picture`.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../cli/frame/run.ts";
import { contextTo } from "../cli/run.ts";
import { startBrowser } from "./chromium.ts";
import { httpRequest } from "./http.ts";
import { fastCgiLocation, startNginx } from "./nginx.ts";
import { phpScripts, startPhpFpm } from "./php_fpm.ts";
import { waitUntil } from "./process.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

const PICTURE = fileURLToPath(new URL("../../cli/tap/page.png", import.meta.url));

const undo: (() => Promise<unknown>)[] = [];
try {
  const folder = await createTemporaryDirectory("picture");
  undo.push(() => folder.remove());
  const php = await startPhpFpm();
  undo.push(() => php.stop());
  const path = join(folder.path, "tap.sock");
  const ending = new AbortController();
  const errors: string[] = [];
  const application = (php.target as { path: string }).path;
  const args = ["tap", "--listen", `unix:${path}`, "--to", `unix:${application}`, "--ui", "--drain", "100"];
  const ended = runCommand(args, contextTo([], errors, { signal: ending.signal }));
  undo.push(() => {
    ending.abort();
    return ended;
  });
  await waitUntil(() => errors.join("").includes("fetchcgi: open "));
  const nginx = await startNginx({ locations: [fastCgiLocation(`unix:${path}`, { documentRoot: phpScripts })] });
  undo.push(() => nginx.stop());
  const headers = { cookie: "session=abc; theme=dark", authorization: "Basic dXNlcjpwYXNzd29yZA==" };
  for (const [uri, init] of [
    ["/hello.php", {}],
    ["/cookies.php?page=2&token=abc", { headers }],
    ["/upload-digest.php", { body: "x".repeat(120_000) }],
    ["/redirect.php", {}],
    ["/missing.php", {}],
    ["/big.php?bytes=300000", {}],
    ["/form.php", { body: "user=ada&password=abc", headers: { "content-type": "application/x-www-form-urlencoded" } }],
    ["/slow.php?ms=300", {}],
    ["/error-log.php?fatal=1", { headers }],
  ] as const)
    await httpRequest(nginx.url + uri, init);
  const { browser, stop } = await startBrowser(folder.path);
  undo.push(stop);
  const page = await browser.contexts()[0]!.newPage();
  await page.setViewportSize({ width: 1280, height: 720 });
  await page.goto(/open (\S+)/.exec(errors.join(""))![1]!);
  await page.getByRole("button", { name: "/form.php" }).click();
  await page.screenshot({ path: PICTURE });
} finally {
  for (const step of undo.reverse()) await step();
}
