// `fetchcgi gateway` as the package has it, with the PHP of this machine.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { requireProgram, requireRuntime } from "../../scripts/setup.mjs";
import { exchangeHttp } from "../support/http_message.ts";
import { startLoad } from "../support/load.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { childrenOf, isRunning } from "../support/process_tree.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { stagePackage } from "../support/staged_package.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let directory: TemporaryDirectory;
let root: string;
let main: string;

const SCRIPTS: Readonly<Record<string, string>> = {
  "index.php": '<?php echo "index ", $_SERVER["REQUEST_URI"];',
  "pid.php": "<?php echo getmypid();",
  "warn.php": '<?php echo "before "; echo $missing; echo "after";',
  "uncaught.php":
    "<?php fwrite(fopen('php://stderr', 'w'), \"its own words\\n\"); throw new Exception(\"a message\\nof two lines\", 0, new Error('first'));",
  "ini.php": "<?php echo ini_get('memory_limit'), ' ', ini_get('display_errors');",
  "agent.php": "<?php echo ini_get('user_agent');",
  "slow.php": "<?php touch($_GET['mark']); usleep(500_000); echo 'slept';",
  "sleep.php": "<?php usleep((int) ($_GET['ms'] * 1000)); echo 'slept';",
  "digest.php": "<?php $file = $_FILES['file']; echo $file['error'], ' ', hash_file('sha256', $file['tmp_name']);",
  "big.php": "<?php for ($i = 0; $i < 400; $i++) echo str_repeat('x', 65536);",
  "environment.php": "<?php echo getenv('FETCHCGI_TEST');",
};

beforeAll(async () => {
  directory = await createTemporaryDirectory("gateway");
  root = join(directory.path, "public");
  mkdirSync(root);
  for (const [name, text] of Object.entries(SCRIPTS)) writeFileSync(join(root, name), text);
  main = await stagePackage(directory.path);
});

afterAll(() => directory.remove());

const runtimes = {
  "Node 24": () => [requireRuntime("node24")],
  Bun: () => [requireRuntime("bun")],
  Deno: () => [requireRuntime("deno"), "run", "--quiet", "--allow-all"],
} as const;

interface Gateway extends RunningProcess {
  readonly url: string;
  readonly port: number;
  /** Where it keeps its socket and the like. */
  folders(): string[];
  /** The master process of its PHP. */
  php(): number;
}

/** Starts the command, and waits until it serves. */
async function start(args: readonly string[] = [], runtime: keyof typeof runtimes = "Node 24"): Promise<Gateway> {
  const [command, ...before] = runtimes[runtime]();
  const temporary = await createTemporaryDirectory("tmp");
  onTestFinished(() => temporary.remove());
  const running = await startProcess(command!, {
    name: "fetchcgi gateway",
    // Only root may enter the folder of the test.
    args: [
      ...before,
      main,
      "gateway",
      root,
      "--port",
      "0",
      ...(process.getuid?.() === 0 ? ["--user", "root"] : []),
      ...args,
    ],
    env: { ...process.env, TMPDIR: temporary.path, FETCHCGI_TEST: "environment" },
  });
  onTestFinished(() => running.stop());
  const urlOf = (): string | undefined => / at (http:\S+)\/$/m.exec(running.stderr())?.[1];
  await waitUntil(() => urlOf() !== undefined, {
    message: () => `Cannot go on: it does not serve\n${running.stderr()}`,
  });
  return {
    ...running,
    url: urlOf()!,
    port: Number(new URL(urlOf()!).port),
    folders: () => readdirSync(temporary.path).filter((name) => name.startsWith("fetchcgi-gateway-")),
    php: () => childrenOf(running.pid).find((pid) => /php/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1")))!,
  };
}

async function text(url: string, init: RequestInit = {}): Promise<string> {
  return (await fetch(url, init)).text();
}

describe("fetchcgi gateway with a PHP of its own", () => {
  it.each(Object.keys(runtimes) as (keyof typeof runtimes)[])(
    "serves a folder on %s, and leaves nothing when it is asked to end",
    async (runtime) => {
      const gateway = await start([], runtime);
      expect(await text(`${gateway.url}/`)).toBe("index /");
      expect(await text(`${gateway.url}/pretty/link?x=1`)).toBe("index /pretty/link?x=1");
      expect(await text(`${gateway.url}/environment.php`)).toBe("environment");
      expect(gateway.stderr()).toMatch(/ with \S*php-fpm\S* \(\d+ workers/);
      await waitUntil(() => /^127\.0\.0\.1 - - .* "GET \/ /m.test(gateway.stdout()));
      expect((await exchangeHttp(gateway.port, "GET /", "Host: a b<c>\r\n")).status).toBe(400);
      const php = gateway.php();
      const mark = join(directory.path, `begun on ${runtime}`);
      const slow = text(`${gateway.url}/slow.php?mark=${encodeURIComponent(mark)}`);
      await waitUntil(() => existsSync(mark));
      process.kill(gateway.pid, "SIGTERM");
      expect(await slow).toBe("slept");
      expect(await gateway.exited).toBe("code 0");
      expect(isRunning(php)).toBe(false);
      expect(gateway.folders()).toEqual([]);
    },
  );

  it.each(Object.keys(runtimes) as (keyof typeof runtimes)[])(
    "ends on %s also while a client reads nothing, and another sends nothing",
    async (runtime) => {
      const gateway = await start(["--drain", "1"], runtime);
      const silent = await RawConnection.open({ port: gateway.port });
      onTestFinished(() => silent.close());
      const unread = connect(gateway.port, "127.0.0.1");
      onTestFinished(() => void unread.destroy());
      unread.on("error", () => {}).write("GET /big.php HTTP/1.1\r\nHost: a\r\n\r\n");
      await once(unread, "data");
      unread.pause();
      const php = gateway.php();
      process.kill(gateway.pid, "SIGTERM");
      expect(await gateway.exited).toBe("code 0");
      expect(isRunning(php)).toBe(false);
    },
  );

  it("prints PHP's errors once, with their request, and shows them in the browser if it is to", async () => {
    const message =
      /^fetchcgi: GET \/warn\.php: PHP message: PHP Warning: {2}Undefined variable \$missing in .* on line 1$/gm;
    const quiet = await start();
    expect(await text(`${quiet.url}/warn.php`)).toBe("before after");
    await waitUntil(() => message.test(quiet.stderr()));
    await text(`${quiet.url}/uncaught.php`);
    await quiet.stop();
    expect(quiet.stderr().match(/Undefined variable/g)).toHaveLength(1);
    const lines = quiet.stderr().split("\n");
    expect(lines.filter((line) => /: (of two lines|Next )/.test(line))).toHaveLength(2);
    expect(lines.filter((line) => line.includes("#0 {main}")).length).toBe(2);
    expect(lines.filter((line) => line.startsWith("fetchcgi: php-fpm: "))).toEqual([
      "fetchcgi: php-fpm: its own words",
    ]);
    const showing = await start(["--display-errors", "--php-value", "memory_limit=77M"]);
    expect(await text(`${showing.url}/warn.php`)).toContain("<b>Warning</b>:  Undefined variable $missing");
    expect(await text(`${showing.url}/ini.php`)).toBe("77M 1");
  });

  it("starts PHP again when it dies, with all that was left of it, and requests wait meanwhile", async () => {
    const gateway = await start(["--workers", "2"]);
    const worker = Number(await text(`${gateway.url}/pid.php`));
    const php = gateway.php();
    process.kill(php, "SIGKILL");
    // Until the gateway has heard of it, what is left of PHP may still answer.
    await waitUntil(() => gateway.stderr().includes(`${php} ended with SIGKILL`));
    const next = Number(await text(`${gateway.url}/pid.php`, { signal: AbortSignal.timeout(60_000) }));
    expect(next).not.toBe(worker);
    expect(gateway.php()).not.toBe(php);
    await waitUntil(() => !isRunning(worker));
    expect(gateway.stderr()).toMatch(/php-fpm \d+ ended with SIGKILL; another one starts (in 200 ms|now)/);
  });

  it("leaves no PHP and no folder when it is killed itself", async () => {
    const gateway = await start();
    const worker = Number(await text(`${gateway.url}/pid.php`));
    const php = gateway.php();
    expect(gateway.folders()).toHaveLength(1);
    process.kill(gateway.pid, "SIGKILL");
    await waitUntil(() => !isRunning(php) && !isRunning(worker) && gateway.folders().length === 0);
  });

  it("loses no request when SIGHUP replaces PHP", async () => {
    const gateway = await start(["--quiet"]);
    const php = gateway.php();
    const load = startLoad(20, async () => {
      const answer = await text(`${gateway.url}/sleep.php?ms=30`);
      if (answer !== "slept") throw new Error(answer);
      return "php";
    });
    await load.more(10);
    process.kill(gateway.pid, "SIGHUP");
    await waitUntil(() => gateway.stderr().includes("fetchcgi: reloaded"));
    await load.more(10);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(gateway.php()).not.toBe(php);
    expect(isRunning(php)).toBe(false);
  });

  it("takes an upload of 60 MB, whole", async () => {
    const limits = ["upload_max_filesize=100M", "post_max_size=100M"].flatMap((value) => ["--php-value", value]);
    const gateway = await start(limits);
    const bytes = randomBytes(60_000_000);
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(bytes)]), "upload.bin");
    const digest = createHash("sha256").update(bytes).digest("hex");
    expect(await text(`${gateway.url}/digest.php`, { method: "POST", body: form })).toBe(`0 ${digest}`);
  });

  it("runs no script on half an upload, and holds no worker for a client that has left", async () => {
    const gateway = await start(["--workers", "1", "--json"]);
    const half = await RawConnection.open({ port: gateway.port });
    await half.write("POST /pid.php HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhalf");
    // It holds no worker while it is slow.
    expect(await text(`${gateway.url}/`)).toBe("index /");
    half.close();
    await waitUntil(() => gateway.stdout().includes('"target":"/pid.php"'));
    expect(gateway.stdout()).toMatch(/"target":"\/pid\.php",.*"status":499/);
    const unread = connect(gateway.port, "127.0.0.1");
    unread.write("GET /big.php HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(unread, "data");
    unread.destroy();
    expect(await text(`${gateway.url}/`)).toBe("index /");
  });

  it("survives what is no HTTP", async () => {
    const gateway = await start();
    for (const garbage of [randomBytes(2000), "GET / HTTP/9\r\n\r\n", `GET /${"a".repeat(100_000)} HTTP/1.1\r\n\r\n`]) {
      const connection = await RawConnection.open({ port: gateway.port });
      await connection.write(garbage).catch(() => {});
      await connection.readUntil(() => connection.closed);
      connection.close();
    }
    const target = await exchangeHttp(gateway.port, "GET http://other.test/a", "Host: b\r\n");
    expect(target.body).toBe("index /a");
    expect(await text(`${gateway.url}/`)).toBe("index /");
  });

  it("runs php-cgi as well", async () => {
    const gateway = await start([
      "--php",
      requireProgram("php-cgi"),
      "--workers",
      "2",
      "--php-value",
      "memory_limit=77M",
      "--php-value",
      String.raw`user_agent=a "quoted" \\ name\"`,
    ]);
    expect(await text(`${gateway.url}/ini.php`)).toMatch(/^77M /);
    expect(await text(`${gateway.url}/agent.php`)).toBe(String.raw`a "quoted" \\ name\"`);
    expect(await text(`${gateway.url}/warn.php`)).toBe("before after");
    await waitUntil(() => gateway.stderr().includes("Undefined variable $missing"));
    const worker = Number(await text(`${gateway.url}/pid.php`));
    process.kill(gateway.pid, "SIGKILL");
    await waitUntil(() => !isRunning(worker) && gateway.folders().length === 0);
  });

  it("says why PHP does not start", async () => {
    const broken = join(directory.path, "php-fpm");
    writeFileSync(broken, "#!/bin/sh\necho 'cannot load the library' >&2\nexit 78\n", { mode: 0o755 });
    const running = await startProcess(requireRuntime("node24"), {
      name: "fetchcgi gateway",
      args: [main, "gateway", root, "--php", broken],
      env: { ...process.env, TMPDIR: directory.path },
    });
    onTestFinished(() => running.stop());
    expect(await running.exited).toBe("code 1");
    expect(running.stderr()).toMatch(/^fetchcgi: php-fpm: cannot load the library$/m);
    expect(running.stderr()).toMatch(/^fetchcgi: Cannot start \S+php-fpm: php-fpm \d+ ended with code 78 before/m);
    expect(readdirSync(directory.path).filter((name) => name.startsWith("fetchcgi-gateway-"))).toEqual([]);
  });
});
