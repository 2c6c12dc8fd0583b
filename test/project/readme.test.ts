// The programs of the README and of the pages about serving and calling are run as they stand there, with only the places replaced: socket
// paths, ports, the PHP script.

import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FastCgiHttpClient, FastCgiTcpConnector, FastCgiUnixConnector, serve } from "../../adapters/node/index.ts";
import { type Block, blocksOf } from "../../docs/site/markdown.mjs";
import { freePort } from "../support/free_port.ts";
import { startNginx } from "../support/nginx.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { type RunningProcess, startProcess, waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const programsOf = (name: string): Block[] => blocksOf(read(name)).filter(({ language }) => language === "ts");

/** The block of a document that has this text. */
function block(document: string, marker: string): string {
  const found = programsOf(document).filter(({ text }) => text.includes(marker));
  expect(found, `${document}: ${marker}`).toHaveLength(1);
  return found[0]!.text;
}

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

/** Runs a block with `places` replaced, each of which must be in it. */
async function run(
  text: string,
  places: Record<string, string>,
  ready?: () => boolean | Promise<boolean>,
): Promise<RunningProcess> {
  let program = text;
  for (const [from, to] of Object.entries(places)) {
    expect(program).toContain(from);
    program = program.replaceAll(from, to);
  }
  const folder = await createTemporaryDirectory("readme");
  const file = join(folder.path, "program.mts");
  writeFileSync(file, program);
  symlinkSync(join(root, "node_modules"), join(folder.path, "node_modules"));
  const started = await startProcess(process.execPath, {
    name: "the documents' program",
    args: ["--import", "tsx", file],
    cwd: root,
    env: { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") } as Record<string, string>,
    ...(ready && { ready }),
  });
  cleanup.push(
    () => folder.remove(),
    () => started.stop(),
  );
  return started;
}

describe("the documents", () => {
  it("serve behind nginx with the first program of the README and its nginx lines", async () => {
    const folder = await createTemporaryDirectory("readme-socket");
    cleanup.push(() => folder.remove());
    const path = join(folder.path, "app.sock");
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(path));
    await run(block("README.md", "// app.mjs"), { "/run/app/app.sock": path }, async () =>
      client.fetch("http://localhost/").then(
        (response) => response.ok,
        () => false,
      ),
    );
    const lines = blocksOf(read("README.md")).find(({ language }) => language === "nginx")!.text;
    const [, location = ""] = /^server \{\n {4}listen 8080;\n([\s\S]*)^\}$/m.exec(lines)!;
    const nginx = await startNginx({ server: location.replace("/run/app/app.sock", path) });
    cleanup.push(() => nginx.stop());
    expect(await (await fetch(`${nginx.url}/some/path?x=1`)).text()).toBe("Hello from /some/path\n");
  });

  it("give the handler a context", async () => {
    const port = await freePort();
    const client = new FastCgiHttpClient(new FastCgiTcpConnector({ port }));
    const started = await run(
      block("docs/serve.md", "const handler: FastCgiFetchHandler"),
      { 9001: String(port) },
      async () =>
        client.fetch("http://localhost/").then(
          (response) => response.ok,
          () => false,
        ),
    );
    expect(await (await client.fetch("http://localhost/", { method: "PUT" })).json()).toEqual({ method: "PUT" });
    expect(started.stderr()).toContain("a message for the log");
  });

  it("call php-fpm", async () => {
    const php = await startPhpFpm();
    cleanup.push(() => php.stop());
    const started = await run(block("docs/call.md", "/products?page=2"), {
      "/run/php/php8.2-fpm.sock": php.target.path,
      "/srv/app/public/index.php": join(php.documentRoot, "index.php"),
    });
    await started.exited;
    expect(started.stdout()).toMatch(/^200 /);
    expect(started.stdout()).toContain("/products?page=2");
  });

  /** What a block that exports `fetch` answers for these paths: status and body, a line each. */
  async function answersOf(text: string, places: Record<string, string>, paths: readonly string[]): Promise<string[]> {
    const asking = `
      for (const path of ${JSON.stringify(paths)}) {
        const response = await fetch(new Request("http://localhost" + path));
        console.log(response.status + " " + (await response.text()).trim());
      }
      process.exit();`;
    const started = await run(text + asking, places);
    await started.exited;
    return started.stdout().trim().split("\n");
  }

  it("find a script for each URL", async () => {
    const php = await startPhpFpm();
    const site = await createTemporaryDirectory("readme-site");
    cleanup.push(
      () => site.remove(),
      () => php.stop(),
    );
    writeFileSync(join(site.path, "index.php"), '<?php echo "front ", $_SERVER["REQUEST_URI"];');
    writeFileSync(join(site.path, "blog.php"), '<?php echo "blog ", $_SERVER["PATH_INFO"] ?? "";');
    writeFileSync(join(site.path, "upload.jpg"), '<?php echo "gotcha";');
    const answers = await answersOf(
      block("docs/php/sites.md", "const scripts = scriptsIn"),
      { "/run/php/php8.2-fpm.sock": php.target.path, "/srv/site/public": site.path },
      ["/blog.php/2026", "/about", "/upload.jpg/x.php"],
    );
    expect(answers).toEqual(["200 blog /2026", "200 front /about", "200 front /upload.jpg/x.php"]);
  });

  it("serve a whole PHP site, and nothing of its sources", async () => {
    const php = await startPhpFpm();
    const site = await createTemporaryDirectory("readme-site");
    cleanup.push(
      () => site.remove(),
      () => php.stop(),
    );
    writeFileSync(
      join(site.path, "index.php"),
      '<?php echo "front ", $_SERVER["REQUEST_URI"], " ", $_SERVER["REMOTE_ADDR"];',
    );
    writeFileSync(join(site.path, "wp-config.php"), '<?php /* a secret */ echo "ran";');
    writeFileSync(join(site.path, "style.css"), "body {}");
    const port = await freePort();
    const ask = async (path: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      // The program listens on IPv6 too.
      return (await response.text()).replace("::ffff:", "");
    };
    await run(
      block("docs/php/sites.md", "const site = phpSite"),
      { "/run/php/php8.2-fpm.sock": php.target.path, "/srv/site/public": site.path, 8080: String(port) },
      () =>
        ask("/").then(
          () => true,
          () => false,
        ),
    );
    const paths = ["/2026/hello/", "/style.css", "/wp-config.php", "/wp-config%2Ephp%20", "/wp-config.PHP"];
    expect(await Promise.all(paths.map(ask))).toEqual([
      "front /2026/hello/ 127.0.0.1",
      "body {}",
      "ran",
      "front /wp-config%2Ephp%20 127.0.0.1",
      "front /wp-config.PHP 127.0.0.1",
    ]);
  });

  it("keep connections to php-fpm", async () => {
    const php = await startPhpFpm({ pool: { "pm.max_children": "8" } });
    cleanup.push(() => php.stop());
    const answers = await answersOf(
      block("docs/call.md", "keepAlive: true"),
      {
        "/run/php/site.sock": php.target.path,
        "/srv/site/public/index.php": join(php.documentRoot, "pid.php"),
      },
      ["/1", "/2", "/3"],
    );
    expect(answers).toHaveLength(3);
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(/^200 \d+$/);
  });

  it("keep tenants apart", async () => {
    const [first, second] = [await startPhpFpm(), await startPhpFpm()];
    const sites = await createTemporaryDirectory("readme-tenants");
    cleanup.push(
      () => sites.remove(),
      () => first.stop(),
      () => second.stop(),
    );
    for (const host of ["a.example", "b.example"]) {
      mkdirSync(join(sites.path, host));
      writeFileSync(
        join(sites.path, host, "index.php"),
        `<?php echo "${host} for ", $_SERVER["HTTP_HOST"], " by ", posix_getppid();`,
      );
    }
    const places = {
      "/run/php/a.sock": first.target.path,
      "/run/php/b.sock": second.target.path,
      "/srv/": `${sites.path}/`,
    };
    const asking = `
      for (const host of ["a.example", "b.example", "a.example", "c.example"]) {
        console.log(await fetch("http://" + host + "/").then((response) => response.text(), (error) => error.message));
      }
      process.exit();`;
    const started = await run(block("docs/call.md", "const tenants") + asking, places);
    await started.exited;
    expect(started.stdout().trim().split("\n")).toEqual([
      `a.example for a.example by ${first.pid}`,
      `b.example for b.example by ${second.pid}`,
      `a.example for a.example by ${first.pid}`,
      'There is no site "c.example"',
    ]);
  });

  it("ask an authorizer", async () => {
    const folder = await createTemporaryDirectory("readme-authorizer");
    const path = join(folder.path, "auth.sock");
    const server = await serve({
      path,
      fetch: (request) =>
        new URL(request.url).pathname === "/open"
          ? new Response(null, { headers: { "variable-USER": "alice" } })
          : new Response("Who are you?", { status: 401 }),
    });
    cleanup.push(
      () => folder.remove(),
      () => server.close(),
    );
    const answers = await answersOf(block("docs/call.md", "withAuthorizer"), { "/run/auth/auth.sock": path }, [
      "/open",
      "/closed",
    ]);
    // Fetch writes header names in lower case, and so does an authorizer that is a fetch handler.
    expect(answers).toEqual(["200 Hello alice, this is http://localhost/open", "401 Who are you?"]);
  });

  it("put TypeScript in front of PHP with the second program of the README", async () => {
    const php = await startPhpFpm();
    cleanup.push(() => php.stop());
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await run(
      block("README.md", "// front.mjs"),
      {
        "/run/php/php8.2-fpm.sock": php.target.path,
        "/srv/app/public/index.php": join(php.documentRoot, "index.php"),
        8081: String(port),
      },
      () =>
        fetch(`${url}/health`).then(
          (response) => response.ok,
          () => false,
        ),
    );
    expect(await (await fetch(`${url}/health`)).text()).toBe("ok\n");
    expect(await (await fetch(`${url}/blog/1`)).text()).toContain("/blog/1");
  });

  it("put PHP beside Vite", async () => {
    const php = await startPhpFpm();
    cleanup.push(() => php.stop());
    const root = await createTemporaryDirectory("readme-vite");
    cleanup.push(() => root.remove());
    writeFileSync(join(root.path, "page.html"), "<p>of Vite");
    const port = await freePort();
    const config = block("docs/php/in-front.md", "// vite.config.ts").replace("export default ", "const config = ");
    const starting = `
      import { createServer } from "vite";
      const server = { port: ${port}, host: "127.0.0.1" };
      await (await createServer({ ...config, configFile: false, root: ${JSON.stringify(root.path)}, server })).listen();`;
    const places = { "/run/php/php8.2-fpm.sock": php.target.path, "/srv/php": php.documentRoot };
    const url = `http://127.0.0.1:${port}`;
    await run(config + starting, places, () =>
      fetch(`${url}/page.html`).then(
        (response) => response.ok,
        () => false,
      ),
    );
    expect(await (await fetch(`${url}/status.php?code=201`)).text()).toBe("status 201\n");
    expect(await (await fetch(`${url}/page.html`)).text()).toContain("<p>of Vite");
  });

  /** Runs a block of the page about watching, and sends it one request. */
  async function watched(
    marker: string,
    init: Parameters<FastCgiHttpClient["fetch"]>[1],
    places: Record<string, string> = {},
  ): Promise<RunningProcess> {
    const folder = await createTemporaryDirectory("readme-watched");
    cleanup.push(() => folder.remove());
    const path = join(folder.path, "app.sock");
    const client = new FastCgiHttpClient(new FastCgiUnixConnector(path));
    const started = await run(
      block("docs/observability.md", marker),
      { "/run/app/app.sock": path, ...places },
      async () =>
        client.fetch("http://localhost/ready").then(
          (response) => response.ok,
          () => false,
        ),
    );
    const response = await client.fetch("http://localhost/watched?x=1", init);
    expect(await response.text()).toBe("Hello\n");
    return started;
  }

  it("write an access log, of one line for each request", async () => {
    const started = await watched("const quoted", {
      method: "PUT",
      remoteAddress: "192.0.2.7",
      params: { REQUEST_URI: '/a"b\\\n\xe9', SERVER_PROTOCOL: "HTTP/1.1" },
    });
    await waitUntil(() => started.stdout().includes("192.0.2.7"));
    const line = started.stdout().trim().split("\n").at(-1)!;
    expect(line).toMatch(
      /^192\.0\.2\.7 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "PUT .* HTTP\/1\.1" 200 6$/,
    );
    expect(line).toContain('"PUT /a\\x22b\\x5c\\x0a\\xe9 HTTP/1.1"');
  });

  it("count for Prometheus", async () => {
    const port = await freePort();
    await watched("prom-client", { method: "PROPFIND" }, { 9101: String(port) });
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    await waitUntil(async () => (await metrics()).includes('method="other"'));
    const lines = (await metrics()).split("\n");
    expect(lines).toContain('http_request_duration_seconds_count{method="other",status="200",outcome="complete"} 1');
    expect(lines).toContain('fastcgi_requests{state="active"} 0');
    expect(lines).toContain('fastcgi_requests{state="waiting"} 0');
  });

  it("trace with OpenTelemetry, under the span of the caller", async () => {
    const [traceId, parentId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    const started = await watched("NodeTracerProvider", {
      headers: { traceparent: `00-${traceId}-${parentId}-01` },
    });
    await waitUntil(() => started.stdout().split(`traceId: '${traceId}'`).length > 3);
    // ConsoleSpanExporter prints each span when it ends: that of the handler first.
    const [query, request] = started
      .stdout()
      .split(/^(?=\{)/m)
      .filter((span) => span.includes(`traceId: '${traceId}',`));
    expect(query).toContain("name: 'query'");
    expect(request).toContain("name: 'GET'");
    expect(request).toContain(`spanId: '${parentId}'`);
    expect(query).toContain(`spanId: '${/^ {2}id: '(\w+)'/m.exec(request!)![1]}'`);
    expect(request).toContain("'url.full': 'http://localhost/watched?x=1'");
    expect(request).toContain("'http.response.status_code': 200");
    expect(request).toContain("'fastcgi.outcome': 'complete'");
  });

  it("keep a request id from the handler to the end of the request", async () => {
    const started = await watched("AsyncLocalStorage<string>", { headers: { "x-request-id": "id-7" } });
    await waitUntil(() => started.stdout().includes("id-7 ended"));
    const lines = started.stdout().trim().split("\n");
    expect(lines.slice(-2)).toEqual(["id-7 asks for /watched", "id-7 ended with 200, complete"]);
    expect(lines[0]).toMatch(/^[0-9a-f-]{36} asks for \/ready$/);
  });

  it("show no program in the README that is not run", () => {
    expect(programsOf("README.md").map(({ text }) => text.split("\n", 1)[0])).toEqual(["// app.mjs", "// front.mjs"]);
  });

  it("decode with the codec", async () => {
    const folder = await createTemporaryDirectory("readme-codec");
    cleanup.push(() => folder.remove());
    const program = `${block("docs/toolkit.md", "requestsOf")}
      import { encodeRecords, encodeBeginRequestBody, RecordType } from "fetchcgi/toolkit";
      const record = (type: number, contentData = new Uint8Array()) => ({ type, requestId: 7, contentData });
      const bytes = encodeRecords([
        record(RecordType.BeginRequest, encodeBeginRequestBody({ role: 1, keepConn: false })),
        record(RecordType.Params),
        record(RecordType.Stdin),
      ]);
      for await (const request of requestsOf(new Blob([bytes]).stream())) console.log(request.requestId);`;
    const started = await run(program, {});
    await waitUntil(() => started.stdout() !== "");
    expect(started.stdout()).toBe("7\n");
  });

  it("count what comes on a connection with a wrapper", async () => {
    const program = `${block("docs/toolkit.md", "function counting")}
      import { FastCgiHttpClient, FastCgiTcpConnector, serve } from "fetchcgi/node";
      const server = await serve({ port: 0, fetch: () => new Response("x".repeat(1000)) });
      let count = 0;
      const connector = counting(new FastCgiTcpConnector(server.address), (bytes) => (count += bytes));
      const response = await new FastCgiHttpClient(connector).fetch("http://localhost/");
      console.log((await response.text()).length, count > 1000);
      await server.close();`;
    const started = await run(program, {});
    await waitUntil(() => started.stdout() !== "");
    expect(started.stdout()).toBe("1000 true\n");
  });
});
