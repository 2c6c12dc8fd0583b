// What `fetchcgi serve --print` prints, pasted into the configuration files of Debian's packages as its words say. The files are copied, and
// only the system's folders and ports are replaced in them.

import { execFile } from "node:child_process";
import { chmod, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { type FastCgiListener, serve } from "../../adapters/node/index.ts";
import { requireProgram } from "../../scripts/setup.mjs";
import { fetchcgi } from "../cli/run.ts";
import { freePort } from "../support/free_port.ts";
import { exchangeHttp } from "../support/http_message.ts";
import { startProcess } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

let directory: TemporaryDirectory;
let applications: FastCgiListener[];
/** What `--listen` of the application says, of a Unix socket and of a port. */
let addresses: readonly string[];

beforeAll(async () => {
  directory = await createTemporaryDirectory("stock");
  // Web servers that root starts change to a user that must be able to enter.
  await chmod(directory.path, 0o755);
  const path = join(directory.path, "app.sock");
  const port = await freePort();
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname, search, host } = new URL(request.url);
    const { length } = await request.text();
    return new Response(
      `${request.method} ${host} ${pathname}${search} ${length} ${request.headers.get("authorization")}`,
    );
  };
  applications = await Promise.all([serve({ path, mode: 0o666, fetch }), serve({ port, fetch })]);
  addresses = [`unix:${path}`, `tcp:127.0.0.1:${port}`];
});

afterAll(async () => {
  await Promise.all((applications ?? []).map((application) => application.close()));
  await directory?.remove();
});

/** A copy of a configuration, and how the web server is started with it. */
interface Stock {
  /** Copies it into a folder, and pastes the lines. */
  prepare(folder: string, port: number, lines: string): Promise<void>;
  command(folder: string): { command: string; args: readonly string[]; env?: NodeJS.ProcessEnv };
}

/** Replaces texts in a file, each of which must be there. */
async function edit(
  file: string,
  replacements: readonly (readonly [from: string | RegExp, to: string])[],
): Promise<void> {
  let text = await readFile(file, "utf8");
  for (const [from, to] of replacements) {
    expect(text).toMatch(from);
    text = text.replaceAll(typeof from === "string" ? from : new RegExp(from, `g${from.flags}`), () => to);
  }
  await writeFile(file, text);
}

const nginx: Stock = {
  async prepare(folder, port, lines) {
    requireProgram("nginx");
    await cp("/etc/nginx", join(folder, "nginx"), { recursive: true, dereference: true });
    await edit(join(folder, "nginx/nginx.conf"), [
      ["/etc/nginx/", `${folder}/nginx/`],
      ["/run/nginx.pid", `${folder}/nginx.pid`],
      ["/var/log/nginx/", `${folder}/`],
      // Of the package itself, these folders are in /var/lib.
      ["access_log ", `client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi; access_log `],
    ]);
    await edit(join(folder, "nginx/sites-enabled/default"), [
      ["listen 80 default_server;", `listen 127.0.0.1:${port} default_server;`],
      ["listen [::]:80 default_server;", ""],
      // "in place of its location /"
      [/^\tlocation \/ \{[^}]*\}$/m, lines],
    ]);
  },
  command: (folder) => ({
    command: requireProgram("nginx"),
    args: ["-c", join(folder, "nginx/nginx.conf"), "-e", join(folder, "error.log"), "-g", "daemon off;"],
  }),
};

const apache: Stock = {
  async prepare(folder, port, lines) {
    const configuration = dirname(requireProgram("apache2-configuration"));
    // a2enmod finds its own folder beside it by this name.
    const copy = join(folder, "etc/apache2");
    await mkdir(join(folder, "var/lib/apache2"), { recursive: true });
    await cp(configuration, copy, { recursive: true, verbatimSymlinks: true });
    await edit(join(copy, "ports.conf"), [["Listen 80", `Listen 127.0.0.1:${port}`]]);
    await edit(join(copy, "sites-available/000-default.conf"), [
      ["*:80", `*:${port}`],
      // "inside <VirtualHost>"
      ["</VirtualHost>", `${lines}\n</VirtualHost>`],
    ]);
    // "once: a2enmod proxy_fcgi"
    const [, modules] = /once: (a2enmod [\w ]+)/.exec(lines)!;
    await promisify(execFile)("sh", ["-c", modules!], { env: { ...process.env, APACHE_CONFDIR: copy } });
  },
  command: (folder) => ({
    command: requireProgram("apache2"),
    args: ["-DFOREGROUND", "-d", join(folder, "etc/apache2")],
    // As /etc/apache2/envvars has them.
    env: {
      APACHE_RUN_USER: "www-data",
      APACHE_RUN_GROUP: "www-data",
      APACHE_PID_FILE: join(folder, "apache.pid"),
      APACHE_RUN_DIR: folder,
      APACHE_LOCK_DIR: folder,
      APACHE_LOG_DIR: folder,
    },
  }),
};

const caddy: Stock = {
  async prepare(folder, port, lines) {
    requireProgram("caddy");
    await cp("/etc/caddy/Caddyfile", join(folder, "Caddyfile"));
    await edit(join(folder, "Caddyfile"), [
      // "inside a site, such as :80 { }"
      [":80 {\n", `:${port} {\n${lines}\n`],
    ]);
    // The port of its administration is one for all.
    const text = await readFile(join(folder, "Caddyfile"), "utf8");
    await writeFile(join(folder, "Caddyfile"), `{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n${text}`);
  },
  command: (folder) => ({
    command: requireProgram("caddy"),
    args: ["run", "--config", join(folder, "Caddyfile"), "--adapter", "caddyfile"],
    env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  }),
};

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** Starts a web server with the lines in its configuration, and resolves with its port. */
async function startWith({ prepare, command: commandFor }: Stock, lines: string): Promise<number> {
  const folder = join(directory.path, "server");
  await mkdir(folder);
  const port = await freePort();
  await prepare(folder, port, lines);
  const { command, args, env } = commandFor(folder);
  const log = async (): Promise<string> => readFile(join(folder, "error.log"), "utf8").catch(() => "");
  let logged = "";
  const running = await startProcess(command, {
    name: command,
    args,
    env: { PATH: process.env.PATH, LANG: "C", HOME: folder, TMPDIR: folder, ...env },
    ready: async () => {
      logged = await log();
      return accepts(port);
    },
    log: () => logged,
    // Caddy waits for connections that its clients keep.
    graceTime: 2000,
  });
  onTestFinished(async () => {
    await running.stop();
    await rm(folder, { recursive: true });
  });
  return port;
}

describe.each([
  ["nginx", nginx],
  ["apache", apache],
  ["caddy", caddy],
] as const)("the lines for %s in Debian's own configuration", (name, stock) => {
  it.each([0, 1])("lead every path to the application at address %i", async (index) => {
    const { text: lines, code } = await fetchcgi(["serve", "app.ts", "--listen", addresses[index]!, "--print", name]);
    expect(code).toBe(0);
    const port = await startWith(stock, lines);
    const host = "site.test";
    const ask = async (line: string, more = "", body = ""): Promise<string> =>
      (await exchangeHttp(port, line, `Host: ${host}\r\n${more}`, body)).body;
    // Debian's own page is /index.html, and icons/ is an alias of Apache.
    for (const path of [
      "/",
      "/index.html",
      "/a/b%20c?d=e&f",
      "/icons/",
      "/style.css",
      "/x.php",
      "/server-status",
      "/~user/",
    ])
      expect(await ask(`GET ${path}`)).toBe(`GET ${host} ${path} 0 null`);
    expect(await ask("POST /form", "Content-Length: 4\r\nAuthorization: Basic YTpi\r\n", "body")).toBe(
      `POST ${host} /form 4 Basic YTpi`,
    );
    expect(await ask("DELETE /")).toBe(`DELETE ${host} / 0 null`);
  });
});
