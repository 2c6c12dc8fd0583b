// `fetchcgi serve` as the package has it, on real runtimes, behind real web servers.

import { execFile } from "node:child_process";
import { chmodSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, FastCgiTcpConnector, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { handlerIn } from "../../cli/serve/module.ts";
import { requireProgram, requireRuntime } from "../../scripts/setup.mjs";
import { freePort } from "../support/free_port.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { isRunning } from "../support/process_tree.ts";
import { stagePackage } from "../support/staged_package.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let folder: TemporaryDirectory;
let main: string;
let path: string;
let count = 0;

/** A Hono application that says which process answers, and can take its time. */
const app = `
import { Hono } from "hono";
const app: Hono = new Hono();
app.get("/slow", async (c) => { await new Promise((resolve) => setTimeout(resolve, Number(c.req.query("ms")))); return c.text(String(process.pid)); });
app.post("/echo", async (c) => c.text(process.pid + " " + (await c.req.text()).length));
app.get("/*", (c) => c.text(process.pid + " one " + new URL(c.req.url).pathname));
export default app;
`;

beforeAll(async () => {
  folder = await createTemporaryDirectory("serve");
  chmodSync(folder.path, 0o755); // Apache's workers are another user.
  main = await stagePackage(folder.path, ["hono"]);
  writeFileSync(join(folder.path, "package.json"), '{ "private": true, "type": "module" }');
  writeFileSync(join(folder.path, "app.ts"), app);
});

afterAll(() => folder.remove());

const runtimes = {
  "Node 24": () => [requireRuntime("node24")],
  Bun: () => [requireRuntime("bun")],
  Deno: () => [requireRuntime("deno"), "run", "--quiet", "--allow-all"],
} as const;

/** Starts the command, and waits until it serves. */
async function start(args: readonly string[], runtime: keyof typeof runtimes = "Node 24"): Promise<RunningProcess> {
  const [command, ...before] = runtimes[runtime]();
  const running = await startProcess(command!, {
    name: "fetchcgi serve",
    args: [...before, main, "serve", ...args],
    cwd: folder.path,
  });
  onTestFinished(() => running.stop());
  await waitUntil(() => running.stderr().includes("fetchcgi: serving"), {
    message: () => `Cannot go on: it does not serve\n${running.stderr()}`,
  });
  return running;
}

function socketPath(): string {
  path = join(folder.path, `${++count}.sock`);
  return path;
}

const ask = async (url = "http://localhost/a"): Promise<string> => {
  const client = new FastCgiHttpClient(new FastCgiUnixConnector(path));
  return (await client.fetch(url)).text();
};

describe("handlerIn", () => {
  const fetch = (): Response => new Response("ok");

  it("finds a handler, an object with one, and an application", async () => {
    class Application {
      readonly #text = "own";
      fetch(): Response {
        return new Response(this.#text);
      }
    }
    for (const [exports, text] of [
      [{ default: fetch }, "ok"],
      [{ default: { fetch } }, "ok"],
      [{ default: new Application() }, "own"],
      [{ fetch }, "ok"],
      [{ default: { default: fetch } }, "ok"],
    ] as const) {
      const response = await handlerIn(exports, "app.ts")(new Request("http://a/"), {} as never);
      expect(await (response as Response).text()).toBe(text);
    }
  });

  it("says what is wrong with a module that has none", () => {
    const express = Object.assign(() => {}, { listen() {}, handle() {} });
    for (const [exports, message] of [
      [{}, "expected a default export that is a fetch handler or has one ({ fetch }), got nothing"],
      [{ default: 1, other: 2 }, "got default (a number), other"],
      [{ default: {}, "module.exports": {} }, "got default (an object without fetch)"],
      [{ default: null }, "got default (null)"],
      [{ default: undefined, other: 2 }, "got default (undefined), other"],
      [{ default: express }, "it exports an application of node:http, and FastCGI needs a fetch handler"],
      [{ default: { fetch, middleware: [() => {}] } }, "its middleware would be ignored"],
    ] as const) {
      expect(() => handlerIn(exports, "app.ts")).toThrow("Cannot serve app.ts: ");
      expect(() => handlerIn(exports, "app.ts")).toThrow(message);
    }
  });
});

describe("fetchcgi serve", () => {
  it.each(Object.keys(runtimes) as (keyof typeof runtimes)[])(
    "serves a TypeScript module on %s, and ends when it is asked to",
    async (runtime) => {
      const running = await start(["app.ts", "--listen", `unix:${socketPath()}`], runtime);
      expect(await ask()).toBe(`${running.pid} one /a`);
      const slow = ask("http://localhost/slow?ms=500");
      await waitUntil(async () => (await ask()) !== "");
      process.kill(running.pid, "SIGTERM");
      expect(await slow).toBe(String(running.pid));
      expect(await running.exited).toBe("code 0");
    },
  );

  it("says what is missing when Node runs no TypeScript, and why a module can't be loaded", async () => {
    writeFileSync(join(folder.path, "throws.mjs"), 'throw new Error("no database");');
    const run = async (command: string, file: string): Promise<RunningProcess> => {
      const running = await startProcess(command, {
        name: "fetchcgi serve",
        args: [main, "serve", file, "--listen", `unix:${socketPath()}`],
        cwd: folder.path,
      });
      expect(await running.exited).toBe("code 1");
      return running;
    };
    if (Number(process.versions.node.split(".")[0]) < 22) {
      expect((await run(process.execPath, "app.ts")).stderr()).toMatch(/runs no TypeScript; use Node 22\.18 or later/);
    }
    expect((await run(requireRuntime("node24"), "none.ts")).stderr()).toBe(
      "fetchcgi: Cannot load none.ts: there is no such file\n",
    );
    writeFileSync(join(folder.path, "parses.mjs"), '\nJSON.parse("{ no JSON");');
    expect((await run(requireRuntime("node24"), "parses.mjs")).stderr()).toMatch(
      /SyntaxError: .*\n(?:.*\n)*.*parses\.mjs:2/,
    );
    writeFileSync(join(folder.path, "cut.cjs"), "\nmodule.exports = {");
    expect((await run(requireRuntime("node24"), "cut.cjs")).stderr()).toContain("cut.cjs:");
    const thrown = (await run(requireRuntime("node24"), "throws.mjs")).stderr();
    expect(thrown).toContain("Error: no database");
    expect(thrown).toContain("throws.mjs:1");
    // Only that place, and none of the command.
    expect(thrown.match(/^ +at /gm)).toHaveLength(1);
  });

  it("names what is missing or wrong in a module that Node can't load", async () => {
    const cases: Readonly<Record<string, readonly [text: string | null, message: RegExp]>> = {
      "package.mjs": ['import "not-there";', /: Cannot find package 'not-there'.*; is the package installed/],
      "relative.mjs": ['import "./gone.mjs";', /: Cannot find module '.*gone\.mjs'.*; is the package installed/],
      "syntax.mjs": ["export default {", /has an error, SyntaxError: .*; `node syntax\.mjs` shows the place/],
      "app.coffee": ["->", /: Unknown file extension "\.coffee".*; expected a module of JavaScript or TypeScript/],
      "data.json": ["{}", /: it is \.json; expected a module of JavaScript or TypeScript/],
      "imports.mjs": [
        'import "./data.json";',
        /: it or a module that it imports has an import without its type: .*data\.json/,
      ],
      "waits.mjs": ["await new Promise(() => {});", /: a top-level await in it waits for what never comes/],
      "empty.mjs": ["", /^fetchcgi: Cannot serve empty\.mjs: expected a default export .*, got nothing\n$/],
      "empty.cjs": ["", /, got default \(an object without fetch\)\n$/],
      "page.tsx": ["export default <p/>", /: Node runs no \.tsx; use Bun or Deno, or set NODE_OPTIONS/],
      "a folder ü": [null, /: it is a folder; name the file in it, such as a folder ü\/app\.ts/],
    };
    await Promise.all(
      Object.entries(cases).map(async ([file, [text, message]]) => {
        if (text === null) mkdirSync(join(folder.path, file));
        else writeFileSync(join(folder.path, file), text);
        const running = await startProcess(requireRuntime("node24"), {
          name: "fetchcgi serve",
          args: [main, "serve", file, "--listen", join(folder.path, "none.sock")],
          cwd: folder.path,
        });
        expect(await running.exited).toBe("code 1");
        expect(running.stderr()).toMatch(message);
        expect(running.stderr()).toMatch(/^fetchcgi: Cannot (?:load|serve) [^\n]*\n$/);
      }),
    );
  });

  it.each([
    ["Bun", /Cannot load cut\.mjs: .* at .*cut\.mjs:1:/],
    ["Deno", /cut\.mjs:1:/],
  ] as const)("names the place of a syntax error on %s, and what is no module", async (runtime, message) => {
    writeFileSync(join(folder.path, "cut.mjs"), "export default ( => {");
    writeFileSync(join(folder.path, "page.html"), "<p>");
    const [command, ...before] = runtimes[runtime]();
    const errorsOf = async (file: string): Promise<string> => {
      const running = await startProcess(command!, {
        name: "fetchcgi serve",
        args: [...before, main, "serve", file, "--listen", join(folder.path, "none.sock")],
        cwd: folder.path,
      });
      expect(await running.exited).toBe("code 1");
      return running.stderr();
    };
    expect(await errorsOf("cut.mjs")).toMatch(message);
    expect(await errorsOf("cut.mjs/app.ts")).toBe("fetchcgi: Cannot load cut.mjs/app.ts: there is no such file\n");
    expect(await errorsOf("page.html")).toBe(
      "fetchcgi: Cannot load page.html: it is .html; expected a module of JavaScript or TypeScript\n",
    );
  });

  it("ends with the reason when workers can't serve, and keeps those that do when a reload fails", async () => {
    mkdirSync(join(folder.path, "broken"));
    const file = join(folder.path, "broken/app.mjs");
    writeFileSync(file, 'export default () => new Response("first");');
    const port = await freePort();
    const running = await start([file, "--listen", `tcp:127.0.0.1:${port}`, "--workers", "1"]);
    const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port }));
    onTestFinished(() => client.close());
    writeFileSync(file, "export default {");
    process.kill(running.pid, "SIGHUP");
    await waitUntil(() => running.stderr().includes("the workers before it go on"));
    expect(running.stderr()).toContain("SyntaxError");
    expect(await (await client.fetch("http://localhost/")).text()).toBe("first");
    const second = await startProcess(requireRuntime("node24"), {
      name: "fetchcgi serve",
      args: [main, "serve", file, "--listen", socketPath(), "--workers", "2"],
      cwd: folder.path,
    });
    expect(await second.exited).toBe("code 1");
    expect(second.stderr()).toContain("SyntaxError");
  });

  it("ends by SIGHUP as by SIGTERM where there are no workers", async () => {
    const running = await start(["app.ts", "--listen", `unix:${socketPath()}`]);
    const slow = ask("http://localhost/slow?ms=500");
    await waitUntil(async () => (await ask()) !== "");
    // A terminal that is closed sends it itself, and through its shell.
    for (let i = 0; i < 2; i++) process.kill(running.pid, "SIGHUP");
    expect(await slow).toBe(String(running.pid));
    expect(await running.exited).toBe("code 0");
    expect(existsSync(path)).toBe(false);
  });

  it("ends its workers when its terminal is closed", async () => {
    const command = [requireRuntime("node24"), main, "serve", "app.ts", "--listen", socketPath(), "--workers", "1"];
    const terminal = await startProcess("script", {
      name: "a terminal",
      args: ["-qfc", `exec ${command.map((word) => `'${word}'`).join(" ")}`, "/dev/null"],
      cwd: folder.path,
    });
    onTestFinished(() => terminal.stop());
    await waitUntil(() => terminal.stdout().includes("fetchcgi: serving"));
    const worker = Number((await ask()).split(" ")[0]);
    onTestFinished(() => void (isRunning(worker) && process.kill(worker, "SIGKILL")));
    process.kill(terminal.pid, "SIGKILL");
    await waitUntil(() => !isRunning(worker) && !existsSync(path));
  });

  it("names the port that the system chose, and has a worker for each core if it is to", async () => {
    const cores = availableParallelism();
    for (const [more, words] of [
      [[], ""],
      [["--workers", "0"], ` with ${cores} ${cores === 1 ? "worker" : "workers"}`],
    ] as const) {
      const running = await start(["app.ts", "--listen", "127.0.0.1:0", ...more]);
      expect(running.stderr()).toContain(`serving app.ts${words} on 127.0.0.1:`);
      const port = Number(/ on 127\.0\.0\.1:(\d+)$/m.exec(running.stderr())?.[1]);
      const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port }));
      expect(await (await client.fetch("http://localhost/a")).text()).toContain(" one /a");
      await client.close();
    }
  });

  it("ends when it is asked to while the module is still being loaded", async () => {
    const hanging = join(folder.path, "hangs.mjs");
    writeFileSync(hanging, 'console.log("loading", process.pid); await new Promise((r) => setTimeout(r, 1e9));');
    for (const more of [[], ["--workers", "1"]]) {
      const running = await startProcess(requireRuntime("node24"), {
        name: "fetchcgi serve",
        args: [main, "serve", hanging, "--listen", socketPath(), ...more],
        cwd: folder.path,
      });
      onTestFinished(() => running.stop());
      await waitUntil(() => running.stdout().includes("loading"));
      process.kill(running.pid, "SIGTERM");
      expect(await running.exited).toBe("code 0");
      expect(isRunning(Number(running.stdout().split(" ")[1]))).toBe(false);
    }
  });

  it("ends its workers when it can't watch their folder", async () => {
    // As Linux says when no more files may be watched.
    const fails =
      'import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module"; fs.watch = () => { throw new Error("ENOSPC"); }; syncBuiltinESMExports();';
    const running = await startProcess(requireRuntime("node24"), {
      name: "fetchcgi serve",
      args: [main, "serve", "app.ts", "--listen", `unix:${socketPath()}`, "--watch"],
      cwd: folder.path,
      env: { ...process.env, NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(fails)}` },
    });
    onTestFinished(() => running.stop());
    expect(await running.exited).toBe("code 1");
    expect(running.stderr()).toContain(`Cannot watch ${folder.path}: ENOSPC`);
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ["without workers", []],
    ["with workers", ["--workers", "1"]],
  ])("answers what came while it began to listen when it is asked to end then, %s", async (_, more) => {
    const release = join(folder.path, `release-${++count}`);
    const file = join(folder.path, `begins-${count}.mjs`);
    // It listens, and hears late that it does. It says what it hears of its end: by the signal, or as a worker by a message.
    writeFileSync(
      file,
      `import { existsSync } from "node:fs";
       import { Server } from "node:net";
       const released = async () => { while (!existsSync(${JSON.stringify(release)})) await new Promise((r) => setTimeout(r, 10)); };
       for (const event of ["SIGTERM", "message"]) process.on(event, (what) => console.log("told", what));
       const { listen } = Server.prototype;
       Server.prototype.listen = function (options, done) { return listen.call(this, options, () => released().then(done)); };
       export default async (request) => {
         if (new URL(request.url).pathname === "/") return new Response("listens");
         console.log("asked");
         await released();
         return new Response("answer");
       };`,
    );
    const port = await freePort();
    const running = await startProcess(requireRuntime("node24"), {
      name: "fetchcgi serve",
      args: [main, "serve", file, "--listen", `tcp:127.0.0.1:${port}`, ...more],
      cwd: folder.path,
    });
    onTestFinished(() => running.stop());
    const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port }));
    onTestFinished(() => client.close());
    const get = async (path: string): Promise<string> => (await client.fetch(`http://localhost${path}`)).text();
    await waitUntil(() =>
      get("/").then(
        (text) => text === "listens",
        () => false,
      ),
    );
    const answer = get("/slow");
    await waitUntil(() => running.stdout().includes("asked"));
    process.kill(running.pid, "SIGTERM");
    await waitUntil(() => /told (?:SIGTERM|fetchcgi: close)$/m.test(running.stdout()));
    writeFileSync(release, "");
    expect(await answer).toBe("answer");
    expect(await running.exited).toBe("code 0");
  });

  it("lets modules send messages of their own to the process that started them", async () => {
    writeFileSync(
      join(folder.path, "sends.mjs"),
      'for (const message of ["ready", null, { ready: true }]) process.send(message); export default () => new Response("ok");',
    );
    await start(["sends.mjs", "--listen", socketPath(), "--workers", "2"]);
    expect(await ask()).toBe("ok");
  });

  it("goes on with the workers that it has when no other can be started", async () => {
    // As when the file of Node is replaced by that of another version.
    const moved = `data:text/javascript,${encodeURIComponent('process.on("SIGHUP", () => { process.execPath = "/nowhere/node"; });')}`;
    const running = await startProcess(requireRuntime("node24"), {
      name: "fetchcgi serve",
      args: [main, "serve", "app.ts", "--listen", socketPath(), "--workers", "1"],
      cwd: folder.path,
      env: { ...process.env, NODE_OPTIONS: `--import ${moved}` },
    });
    onTestFinished(() => running.stop());
    await waitUntil(() => running.stderr().includes("fetchcgi: serving"));
    process.kill(running.pid, "SIGHUP");
    await waitUntil(() =>
      running.stderr().includes("Cannot start a worker: spawn /nowhere/node ENOENT; the workers before it go on"),
    );
    expect(await ask()).toMatch(/ one \/a$/);
  });

  it("serves what was written last with --watch", async () => {
    mkdirSync(join(folder.path, "watched"));
    const file = join(folder.path, "watched/app.mjs");
    writeFileSync(file, 'export default () => new Response("first");');
    const running = await start([file, "--listen", socketPath(), "--watch"]);
    expect(await ask()).toBe("first");
    writeFileSync(file, 'export default () => new Response("second");');
    await waitUntil(async () => (await ask()) === "second");
    expect(running.stderr()).toContain("in place of worker");
  });

  it.each([
    ["systemd", () => requireProgram("systemd-socket-activate"), (socket: string) => ["-l", socket]],
    ["spawn-fcgi", () => requireProgram("spawn-fcgi"), (socket: string) => ["-n", "-s", socket, "--"]],
  ])("serves with workers on the socket that %s made", async (_, program, args) => {
    const node = requireRuntime("node24");
    const running = await startProcess(program(), {
      name: "fetchcgi serve",
      args: [...args(socketPath()), node, main, "serve", "app.ts", "--workers", "2"],
      cwd: folder.path,
      ready: () => existsSync(path),
    });
    onTestFinished(() => running.stop());
    const seen = new Set<string>();
    // systemd starts the program with the first connection.
    await waitUntil(async () => seen.add((await ask()).split(" ")[0]!).size === 2);
    const [, fd] = /fetchcgi: serving app\.ts with 2 workers on descriptor ([03])$/m.exec(running.stderr())!;
    expect(seen).not.toContain(String(running.pid));
    // The socket stays when no worker is left for a moment.
    for (const worker of seen) process.kill(Number(worker), "SIGKILL");
    await waitUntil(async () => !seen.has((await ask().catch(() => "")).split(" ")[0]!));
    process.kill(running.pid, "SIGHUP");
    await waitUntil(() => running.stderr().includes("fetchcgi: reloaded"));
    expect(await ask()).toMatch(/ one \/a$/);
    // Otherwise a worker would wait where another one has taken the connection.
    const [, flags] = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/${running.pid}/fdinfo/${fd}`, "utf8"))!;
    expect(Number.parseInt(flags!, 8) & constants.O_NONBLOCK).not.toBe(0);
    process.kill(running.pid, "SIGTERM");
    expect(await running.exited).toBe("code 0");
  });
});

describe.each(Object.keys(runtimes) as (keyof typeof runtimes)[])("fetchcgi on %s", (runtime) => {
  it("asks, pings, ends quietly when the reader of its output leaves, and says that a disk is full", async () => {
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(65)) });
    const server = await serve({
      path: socketPath(),
      onError: () => {},
      fetch: async (request) => new Response(request.method === "POST" ? request.body : endless),
    });
    onTestFinished(() => server.close({ timeout: 100 }));
    const [command, ...before] = runtimes[runtime]();
    const run = (script: string): Promise<{ stdout: string; stderr: string }> =>
      promisify(execFile)("bash", ["-c", `set -o pipefail; ${script}`, command!, command!, ...before, main], {
        timeout: 200_000,
      });
    expect((await run(`printf "from a pipe" | "$@" request ${path} / --data -`)).stdout).toBe("from a pipe");
    expect((await run(`"$@" ping ${path} --param REQUEST_METHOD=POST`)).stdout).toMatch(
      /^up: .* answers with status 200/,
    );
    expect(await run(`"$@" request ${path} | head -c 5`)).toEqual({ stdout: "AAAAA", stderr: "" });
    // A device that is always full.
    for (const command of ["--help", `request ${path}`]) {
      const { stdout, stderr } = await run(`"$@" ${command} > /dev/full; echo $?`);
      expect(stderr).toMatch(/^fetchcgi: Cannot write the result: .*no space left on device.*\n$/i);
      expect(stdout).toBe("2\n");
    }
  });
});
