import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { byteStringToUtf8, FastCgiHttpClient, serve } from "../../adapters/node/index.ts";
import { ping as askOnce, type PingOptions } from "../../cli/ping/ask.ts";
import { bundle } from "../support/bundle.ts";
import { freePort } from "../support/free_port.ts";
import { startNginx } from "../support/nginx.ts";
import { connectorTo } from "../support/php_client.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { waitUntil } from "../support/process.ts";
import { makeStaleSocket } from "../support/stale_socket.ts";
import { formatTarget } from "../support/target.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { fetchcgi, type Run } from "./run.ts";

failOnUnhandledRejections();

let folder: TemporaryDirectory;
let php: PhpFpm;

beforeAll(async () => {
  folder = await createTemporaryDirectory("ping");
  php = await startPhpFpm();
});

afterAll(async () => {
  await php?.stop();
  await folder.remove();
});

const ping = (...args: string[]): Promise<Run> => fetchcgi(["ping", ...args]);

/** What a ping asks by default. */
const asked: Omit<PingOptions, "address" | "connector" | "timeout"> = {
  uri: "/",
  isStatusPage: false,
  maxQueue: 0,
  expect: undefined,
  script: undefined,
  params: [],
  signal: new AbortController().signal,
};

/** An address of php-fpm at which a request runs as long as the test does. */
async function startBusyPool(pool: Record<string, string>, listen: "unix" | "tcp" = "unix"): Promise<string> {
  const busy = await startPhpFpm({ listen, pool: { "pm.max_children": "1", ...pool } });
  writeFileSync(join(folder.path, "busy.php"), '<?php echo "busy"; flush(); for (;;) sleep(1);');
  const client = new FastCgiHttpClient(connectorTo(busy.target, "busy.php", folder.path), { maxConnections: 1 });
  const controller = new AbortController();
  const response = await client.fetch("http://localhost/", { signal: controller.signal });
  onTestFinished(async () => {
    controller.abort();
    await response.body?.cancel().catch(() => {});
    await client.close({ timeout: 0 });
    await busy.stop();
  });
  return formatTarget(busy.target);
}

describe("fetchcgi ping", () => {
  it("says up when php-fpm answers, whether or not it has the page", async () => {
    const address = formatTarget(php.target);
    for (const [args, status] of [
      [["--uri", "/fpm-ping", "--expect", "pong"], 200],
      [[], 404],
      [["--script", join(php.documentRoot, "hello.php")], 200],
    ] as const) {
      const { code, text } = await ping(address, ...args);
      expect(text).toMatch(new RegExp(`^up: ${address} answers with status ${status} \\([\\d.]+ ms\\)$`));
      expect(code).toBe(0);
    }
  });

  it("reports the numbers of php-fpm's status page as a line, JSON and metrics", async () => {
    const args = [formatTarget(php.target), "--status", "/fpm-status"];
    expect((await ping(...args)).text).toMatch(/^up: .* 0 waiting, 1 of 4 workers busy \(/);
    const { state, code, pool } = JSON.parse((await ping(...args, "--json")).text);
    expect({ state, code, workers: pool["total processes"] }).toEqual({ state: "up", code: 0, workers: 4 });
    const { text } = await ping(...args, "--prometheus");
    const samples = new Map(
      text.split("\n").flatMap((line) => {
        if (/^# (?:HELP|TYPE) [a-z_]+ \S/.test(line)) return [];
        const match = /^([a-z_]+)\{address="[^"]+"(?:,state="(\w+)")?\} ([\d.e-]+)$/.exec(line);
        expect(match, line).not.toBeNull();
        return [[[match![1], match![2]].filter(Boolean).join(" "), Number(match![3])] as const];
      }),
    );
    expect(Object.fromEntries(samples)).toMatchObject({
      fetchcgi_up: 1,
      "fetchcgi_state up": 1,
      "fetchcgi_state down": 0,
      fetchcgi_status: 200,
      fetchcgi_phpfpm_total_processes: 4,
      fetchcgi_phpfpm_listen_queue: 0,
      fetchcgi_phpfpm_max_children_reached_total: 0,
    });
  });

  it("says saturated when all workers are busy", async () => {
    const address = await startBusyPool({});
    const { code, text } = await ping(address, "--timeout", "1000");
    expect(text).toMatch(/^saturated: .* takes connections, but did not answer within 1000 ms; all workers are busy/);
    expect(code).toBe(3);
    expect((await ping(address, "--timeout", "1000", "--allow", "saturated")).code).toBe(0);
  });

  it("says saturated when connections wait for a worker, as the status page at an address of its own says", async () => {
    const statusPort = await freePort();
    const address = await startBusyPool(
      { "pm.status_listen": `127.0.0.1:${statusPort}`, "pm.status_path": "/fpm-status" },
      "tcp",
    );
    const port = Number(address.split(":")[1]);
    const waiting = [1, 2].map(() => createConnection(port, "127.0.0.1").on("error", () => {}));
    onTestFinished(() => waiting.forEach((socket) => void socket.destroy()));
    const args = [`127.0.0.1:${statusPort}`, "--status", "/fpm-status"];
    // php-fpm counts once a second.
    await waitUntil(async () => JSON.parse((await ping(...args, "--json")).text).pool["listen queue"] === 2);
    const { code, text } = await ping(...args);
    expect(text).toMatch(/^saturated: .* 2 waiting, 1 of 1 workers busy/);
    expect(code).toBe(3);
    expect((await ping(...args, "--max-queue", "2")).code).toBe(0);
  });

  it("says saturated when the backlog is full", async () => {
    const address = await startBusyPool({ "listen.backlog": "2" });
    const path = address.replace(/^unix:/, "");
    const sockets: Socket[] = [];
    onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
    const connects = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = createConnection(path, () => resolve(true)).on("error", () => resolve(false));
        sockets.push(socket);
      });
    while (await connects()) expect(sockets.length).toBeLessThan(20);
    const { code, text } = await ping(address);
    expect(text).toMatch(/^saturated: .* the backlog of the socket is full/);
    expect(code).toBe(3);
  });

  it.each(["", "tcp:"])(
    "says saturated when a port of this machine takes no connection, as %j127.0.0.1",
    async (prefix) => {
      const connector = { connect: () => new Promise<never>(() => {}) };
      const { state, message } = await askOnce({ ...asked, address: `${prefix}127.0.0.1:9000`, connector, timeout: 1 });
      expect([state, message]).toEqual(["saturated", "took no connection within 1 ms; the backlog is full"]);
    },
  );

  it("ends with 130 when it is interrupted", async () => {
    const controller = new AbortController();
    const server = createServer((socket) => {
      onTestFinished(() => void socket.destroy());
      socket.once("data", () => controller.abort()).on("error", () => {});
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { signal } = controller;
    const run = await fetchcgi(["ping", String(port), "--timeout", "999999"], { signal });
    expect(run).toEqual({ code: 130, text: "", errors: "" });
  });

  it("replaces a variable by that of --param", async () => {
    let seen: string[] = [];
    const server = createServer((socket) => {
      socket.once("data", (bytes) => {
        seen = bytes.toString("latin1").match(/REQUEST_METHOD[A-Z]+/g) ?? [];
        socket.destroy();
      });
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    await ping(String((server.address() as { port: number }).port), "--param", "REQUEST_METHOD=POST");
    expect(seen).toEqual([expect.stringMatching(/^REQUEST_METHODPOST/)]);
  });

  it("finds a page, a script and a text that are not ASCII", async () => {
    const server = await serve({
      port: 0,
      fetch: ({ url }, { params }) =>
        new Response(`pöng ${decodeURI(new URL(url).pathname)} ${byteStringToUtf8(params.get("SCRIPT_FILENAME")!)}`),
    });
    onTestFinished(() => server.close());
    const address = String((server.address as { port: number }).port);
    const text = "pöng /☂ /srv/ü.php";
    expect(await ping(address, "--uri", "/☂", "--script", "/srv/ü.php", "--expect", text)).toMatchObject({ code: 0 });
  });

  it("reads no more of a page than a status page can have", async () => {
    const server = await serve({ port: 0, onError: () => {}, fetch: () => new Response("x".repeat(300_000)) });
    onTestFinished(() => server.close());
    const { code, text } = await ping(String((server.address as { port: number }).port));
    expect(text).toMatch(/^wrong: .*262144/);
    expect(code).toBe(4);
  });

  it("says saturated when the application says that it is overloaded", async () => {
    const server = await serve({ port: 0, fetch: () => new Response("later", { status: 503 }) });
    onTestFinished(() => server.close());
    const { code, text } = await ping(String((server.address as { port: number }).port));
    expect(text).toMatch(/^saturated: .* it answers with status 503/);
    expect(code).toBe(3);
  });

  it("says down when nothing listens there", async () => {
    const stale = join(folder.path, "stale.sock");
    await makeStaleSocket(stale);
    for (const [address, message] of [
      [join(folder.path, "none.sock"), "there is no such socket; is the application running? (ENOENT)"],
      [stale, "nothing listens there; is the application running? (ECONNREFUSED)"],
      [`127.0.0.1:${await freePort()}`, "nothing listens there; is the application running? (ECONNREFUSED)"],
    ] as const) {
      const { code, text } = await ping(address);
      expect(text).toContain(`down: ${address} ${message}`);
      expect(code).toBe(1);
      expect((await ping(address, "--prometheus")).text).toContain(`fetchcgi_up{address="${address}"} 0`);
    }
  });

  it("says wrong when an HTTP server or another program listens there", async () => {
    const nginx = await startNginx({});
    onTestFinished(() => nginx.stop());
    const http = await ping(`127.0.0.1:${nginx.port}`);
    expect(http.text).toMatch(/^wrong: .* speaks HTTP, not FastCGI; is this the right address\?/);
    const server = createServer((socket) => socket.on("error", () => {}).end("220 mail.example\r\n")).listen(
      0,
      "127.0.0.1",
    );
    onTestFinished(() => void server.close());
    await waitUntil(() => server.listening);
    const mail = await ping(String((server.address() as { port: number }).port));
    expect(mail.text).toMatch(/^wrong: .* speaks another protocol, not FastCGI/);
    expect([http.code, mail.code]).toEqual([4, 4]);
  });

  it("says wrong when the file is not a socket, and when the page is not the expected one", async () => {
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    const address = formatTarget(php.target);
    const failing = await serve({ port: 0, onError: () => {}, fetch: () => Promise.reject(new Error("broken")) });
    onTestFinished(() => failing.close());
    for (const [args, message] of [
      [[file], "the file is not a socket"],
      [
        [address, "--uri", "/fpm-ping", "--expect", "ping"],
        '/fpm-ping does not hold "ping"; is /fpm-ping the right page?',
      ],
      [[address, "--expect", "pong"], 'expected "pong" with status 2xx, got 404'],
      [
        [address, "--status", "/fpm-ping"],
        "/fpm-ping is not php-fpm's status page (status 200); is it pm.status_path?",
      ],
      [[String((failing.address as { port: number }).port)], "it answers with status 500; its log may say why"],
    ] as const) {
      const { code, text } = await ping(...args);
      expect(text).toContain(`wrong: ${args[0]} ${message}`);
      expect(code).toBe(4);
    }
  });

  it("says wrong when a connection is closed without an answer", async () => {
    const server = createServer((socket) => socket.on("error", () => {}).destroy()).listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await waitUntil(() => server.listening);
    const { code, text } = await ping(String((server.address() as { port: number }).port));
    expect(text).toMatch(/^wrong: .*(closes the connection without an answer|ECONNRESET)/);
    expect(code).toBe(4);
  });

  it("ends with 2 when the arguments are wrong, whatever the application does", async () => {
    for (const args of [[], ["nowhere"], [formatTarget(php.target), "--allow", "bad"], ["9000", "--max-queue", "-1"]]) {
      expect((await ping(...args)).code).toBe(2);
    }
  });

  it("refuses options that have no effect together, and pages that are no paths", async () => {
    for (const [args, message] of [
      [
        ["--status", "/s", "--expect", "pong"],
        "Cannot use --expect with --status, which asks for php-fpm's status page",
      ],
      [["--uri", "/ping", "--status", "/s"], "Cannot use --uri with --status"],
      [["--max-queue", "1"], "Cannot use --max-queue: it needs --status"],
      [["--json", "--prometheus"], "Cannot use --json with --prometheus"],
      [["--param", "CONTENT_LENGTH=5"], "Cannot use --param: a ping has no body, and CONTENT_LENGTH is 5"],
      [["--uri", "ping"], 'Cannot use --uri: expected a path such as /ping, got "ping"'],
      [["--status", ""], 'Cannot use --status: expected a path such as /ping, got ""'],
    ] as const) {
      const { code, errors } = await ping("9000", ...args);
      expect(errors).toContain(message);
      expect(code).toBe(2);
    }
  });
});

describe("fetchcgi ping as a program", () => {
  let program: string;

  beforeAll(async () => {
    program = await bundle("cli/main.ts", folder.path);
    chmodSync(folder.path, 0o755);
    for (const name of (await import("node:fs")).readdirSync(folder.path).filter((name) => name.endsWith(".mjs")))
      chmodSync(join(folder.path, name), 0o644);
  });

  /** Runs it in an empty environment. */
  async function run(args: readonly string[], uid?: number): Promise<{ code: number; stdout: string }> {
    const options = { env: {}, cwd: "/", ...(uid !== undefined && { uid }) };
    return promisify(execFile)(process.execPath, [program, ...args], options).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }) => ({ code, stdout }),
    );
  }

  it("says wrong when its user may not use the socket", async () => {
    const path = join(folder.path, "denied.sock");
    const server = await serve({ path, mode: 0o600, fetch: () => new Response("hello") });
    onTestFinished(() => server.close());
    const asRoot = process.getuid?.() === 0;
    if (!asRoot) chmodSync(path, 0);
    const { code, stdout } = await run(["ping", path], asRoot ? 65_534 : undefined);
    expect(stdout).toMatch(/^wrong: .* the socket may not be used by this user; .* \(EACCES\)/);
    expect(code).toBe(4);
  });

  const readme = readFileSync(fileURLToPath(new URL("../../cli/ping/README.md", import.meta.url)), "utf8");
  const recipes = [...readme.matchAll(/(?:CMD|command:) (\["node".*\])/g)].map(
    ([, list]) => JSON.parse(list!) as string[],
  );

  it("does what the recipes for Docker and Kubernetes say, in an empty environment", async () => {
    const [pingPool, port] = [await startPhpFpm({ listen: "tcp", pool: { "ping.path": "/ping" } }), await freePort()];
    onTestFinished(() => pingPool.stop());
    expect(recipes).toHaveLength(3);
    for (const [command, file, ...args] of recipes) {
      expect([command, file]).toEqual(["node", "/opt/fetchcgi/dist/cli/main.js"]);
      const at = (address: string): string[] => args.map((arg) => (arg === "127.0.0.1:9000" ? address : arg));
      expect((await run(at(formatTarget(pingPool.target)))).code).toBe(0);
      expect((await run(at(`127.0.0.1:${port}`))).code).toBe(1);
    }
  });

  it("restarts no busy pool where the recipes are followed", async () => {
    const address = await startBusyPool({}, "tcp");
    const codes: number[] = [];
    for (const [, , ...args] of recipes) {
      const timeout = args.indexOf("--timeout") + 1;
      codes.push(
        (await run(args.map((arg, i) => (arg === "127.0.0.1:9000" ? address : i === timeout ? "1000" : arg)))).code,
      );
    }
    // HEALTHCHECK, readiness, liveness.
    expect(codes).toEqual([3, 3, 0]);
  });
});
