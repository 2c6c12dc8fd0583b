import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { requireProgram } from "../../scripts/setup.mjs";
import { freePort } from "./free_port.ts";
import type { NginxLocation } from "./nginx_location.ts";
import { stockFastCgiParams } from "./nginx_params.ts";
import { startProcess } from "./process.ts";
import type { SmallDisk } from "./small_disk.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

export { type FastCgiLocationOptions, fastCgiLocation, type NginxLocation } from "./nginx_location.ts";

export interface NginxOptions {
  readonly locations?: readonly NginxLocation[];
  /** More text inside `server { }`. */
  readonly server?: string;
  /** More text inside `http { }`. */
  readonly http?: string;
  /** Whom the workers of an nginx that root starts run as: root by default, who may enter every folder. */
  readonly user?: string;
  /** The disk that has the folders of temporary files which these texts name. */
  readonly disk?: SmallDisk;
}

export interface Nginx {
  readonly port: number;
  /** Such as `http://127.0.0.1:20000`, without a slash at the end. */
  readonly url: string;
  /** Everything logged so far, level "info"; still there after `stop()`. */
  errorLog(): string;
  stop(): Promise<void>;
}

/** Starts a private nginx with one server on a free port, as the current user. */
export async function startNginx(options: NginxOptions): Promise<Nginx> {
  const command = requireProgram("nginx");
  const directory = await createTemporaryDirectory("nginx");
  const inDirectory = (name: string): string => join(directory.path, name);
  const readLog = (): string =>
    existsSync(inDirectory("error.log")) ? readFileSync(inDirectory("error.log"), "utf8") : "";
  try {
    const port = await freePort();
    await mkdir(inDirectory("logs")); // Where nginx would log before it has read its configuration.
    await writeFile(inDirectory("fastcgi_params"), stockFastCgiParams());
    await writeFile(inDirectory("nginx.conf"), configuration(directory.path, port, options));

    const plain = ["-p", directory.path, "-c", inDirectory("nginx.conf")];
    const [program, args] = options.disk?.command(command, plain) ?? [command, plain];
    const server = await startProcess(program, {
      name: "nginx",
      args,
      // nginx writes this file once its configuration is read and its sockets listen.
      ready: () => existsSync(inDirectory("nginx.pid")),
      log: readLog,
    });
    let lastLog: string | undefined;
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      errorLog: () => lastLog ?? readLog(),
      async stop() {
        await server.stop();
        lastLog ??= readLog();
        await directory.remove();
      },
    };
  } catch (error) {
    await directory.remove();
    throw error;
  }
}

/** Only what a test run needs differs from nginx's defaults: the tests are to meet what users run. */
function configuration(directory: string, port: number, options: NginxOptions): string {
  const { locations = [], server = "", http = "" } = options;
  // Started by root, workers would become an ordinary user, who may not enter the folders of the tests.
  const user = process.getuid?.() === 0 ? `user ${options.user ?? "root"};` : "";
  return `
daemon off;
worker_processes 1;
${user}
pid ${directory}/nginx.pid;
error_log ${directory}/error.log info;
events { worker_connections 1024; }
http {
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path ${directory}/body;
  fastcgi_temp_path ${directory}/fastcgi;
  proxy_temp_path ${directory}/proxy;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  client_max_body_size 0;
  ${locations.map((location) => location.http).join("\n")}
  ${http}
  server {
    listen 127.0.0.1:${port};
    server_name localhost;
    ${locations.map((location) => location.server).join("\n")}
    ${server}
  }
}
`;
}
