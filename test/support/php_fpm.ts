import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireProgram } from "../../scripts/setup.mjs";
import { freePort } from "./free_port.ts";
import { startProcess } from "./process.ts";
import { childrenOf } from "./process_tree.ts";
import type { SmallDisk } from "./small_disk.ts";
import type { FastCgiTarget, FastCgiTargets } from "./target.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

/** The folder of the scripts in test/interop/php. */
export const phpScripts: string = fileURLToPath(new URL("../interop/php", import.meta.url));

export interface PhpFpmOptions<Listen extends keyof FastCgiTargets = "unix"> {
  /** A Unix socket in a private folder, or a free port of 127.0.0.1. "unix" by default. */
  readonly listen?: Listen;
  /** Settings of the pool that replace the defaults below, such as `"pm.max_children": "1"`. */
  readonly pool?: Readonly<Record<string, string>>;
  /** `test/interop/php` by default. FPM never asks: it is here for the caller, who sends DOCUMENT_ROOT. */
  readonly documentRoot?: string;
  /** The disk for PHP's temporary files, uploads among them. */
  readonly disk?: SmallDisk;
}

export interface PhpFpm<Target extends FastCgiTarget = FastCgiTarget> {
  readonly target: Target;
  readonly documentRoot: string;
  /** Process id of the master. */
  readonly pid: number;
  /** The log of FPM and what workers write to their stderr; still there after `stop()`. */
  errorLog(): string;
  /** Process ids of the workers that live now. */
  workers(): Promise<number[]>;
  stop(): Promise<void>;
}

/** Starts a private php-fpm with one pool, as the current user. */
export async function startPhpFpm<Listen extends keyof FastCgiTargets = "unix">(
  options: PhpFpmOptions<Listen> = {},
): Promise<PhpFpm<FastCgiTargets[Listen]>> {
  const command = requireProgram("php-fpm");
  const directory = await createTemporaryDirectory("php-fpm");
  const inDirectory = (name: string): string => join(directory.path, name);
  const readLog = (): string =>
    existsSync(inDirectory("fpm.log")) ? readFileSync(inDirectory("fpm.log"), "utf8") : "";
  try {
    const target: FastCgiTarget =
      options.listen === "tcp" ? { host: "127.0.0.1", port: await freePort() } : { path: inDirectory("php.sock") };
    const { disk } = options;
    const folders = disk && {
      "php_admin_value[upload_tmp_dir]": disk.path,
      "php_admin_value[sys_temp_dir]": disk.path,
    };
    await writeFile(inDirectory("fpm.conf"), configuration(directory.path, target, { ...folders, ...options.pool }));
    const asRoot = process.getuid?.() === 0;

    const plain = ["-F", "-y", inDirectory("fpm.conf"), ...(asRoot ? ["-R"] : [])];
    const [program, args] = disk?.command(command, plain) ?? [command, plain];
    const server = await startProcess(program, {
      name: "php-fpm",
      args,
      // Scripts see the environment (clear_env = no): a small one, not that of the user who runs the tests.
      env: { PATH: process.env.PATH, TMPDIR: directory.path, FETCHCGI_TEST: "environment of php-fpm" },
      // Said when the socket listens and the workers run.
      ready: () => readLog().includes("ready to handle connections"),
      log: readLog,
    });
    let lastLog: string | undefined;
    return {
      target: target as FastCgiTargets[Listen],
      documentRoot: options.documentRoot ?? phpScripts,
      pid: server.pid,
      errorLog: () => lastLog ?? readLog(),
      workers: async () => childrenOf(server.pid),
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

function configuration(directory: string, target: FastCgiTarget, changes: Readonly<Record<string, string>>): string {
  const pool: Record<string, string> = {
    // Started by root, workers must run as a named user, and only root may enter every folder that tests are run from.
    ...(process.getuid?.() === 0 && { user: "root", group: "root" }),
    listen: "path" in target ? target.path : `${target.host}:${target.port}`,
    pm: "static",
    "pm.max_children": "4",
    "pm.status_path": "/fpm-status",
    "ping.path": "/fpm-ping",
    catch_workers_output: "yes",
    decorate_workers_output: "no",
    clear_env: "no",
    // Whatever the php.ini of this machine says: messages go to FastCGI's STDERR, output is not collected.
    "php_admin_value[error_log]": "",
    "php_admin_flag[log_errors]": "on",
    "php_admin_flag[fastcgi.logging]": "on",
    "php_admin_flag[display_errors]": "off",
    "php_admin_flag[html_errors]": "off",
    "php_admin_value[output_buffering]": "0",
    "php_admin_value[max_execution_time]": "0",
    "php_admin_value[memory_limit]": "512M",
    "php_admin_value[post_max_size]": "256M",
    "php_admin_value[upload_max_filesize]": "256M",
    "php_admin_value[upload_tmp_dir]": directory,
    "php_admin_value[sys_temp_dir]": directory,
    ...changes,
  };
  const settings = Object.entries(pool).map(([name, value]) => `${name} = ${value}`);
  return `[global]
error_log = ${directory}/fpm.log
daemonize = no
[www]
${settings.join("\n")}
`;
}
