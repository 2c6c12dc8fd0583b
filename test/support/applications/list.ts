import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { requireProgram } from "../../../scripts/setup.mjs";
import { startPhpFpm } from "../php_fpm.ts";
import type { FastCgiTargets } from "../target.ts";
import { createTemporaryDirectory } from "../temporary_directory.ts";
import {
  addressOf,
  programFile,
  type RunningApplication,
  reaching,
  type StartApplicationOptions,
  startListening,
} from "./application.ts";

/** An application, and what is particular about it. */
export interface Application {
  readonly name: string;
  /** Where the tests have it listen. */
  readonly listen: readonly (keyof FastCgiTargets)[];
  /** What it answers FCGI_GET_VALUES with. */
  readonly values: Readonly<Record<string, string>>;
  /** What `/exit` gives: 3, or 0 where the application has no say in FCGI_END_REQUEST. */
  readonly appStatus: number;
  /** What becomes of output without a header: 200 where a library always writes one of its own. */
  readonly headerless: "malformedResponse" | 200;
  /** What brings a line on FCGI_STDERR, that line, and the status that comes with it. */
  readonly stderr: {
    readonly params?: Readonly<Record<string, string>>;
    readonly message: string;
    readonly status: number;
  };
  /** Whether it can send while it receives more than its pipes and buffers hold. */
  readonly duplex: boolean;
  start(options?: StartApplicationOptions): Promise<RunningApplication>;
}

/** For the hook that starts one first, in milliseconds: it compiles, and Go since 1.20 compiles its own library as well. */
export const firstStartTimeout = 240_000;

const run = promisify(execFile);

/** Programs that were compiled, for all that start them in this process. */
const compiled = new Map<string, Promise<string>>();

/** Compiles a program unless that was done. What removes left-over folders when this process ends removes it. */
function compile(name: string, build: (output: string) => Promise<unknown>): Promise<string> {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const output = createTemporaryDirectory("compiled").then(async ({ path }) => {
    await build(join(path, name));
    return join(path, name);
  });
  compiled.set(name, output);
  return output;
}

const said = { message: "a message for the log\n", status: 200 };
/** php.ini of this machine aside: messages go to FCGI_STDERR, bodies are read when the script asks, output is not collected. */
const phpSettings = { log_errors: "on", error_log: "", html_errors: "off", enable_post_data_reading: "off" };

/** php-fpm, the usual way to run PHP. */
export const phpFpm: Application = {
  name: "php-fpm",
  listen: ["unix", "tcp"],
  values: { FCGI_MPXS_CONNS: "0" },
  // exit(3) ends a script, and FPM says nothing of it.
  appStatus: 0,
  headerless: 200,
  stderr: { message: "PHP message: a message for the log", status: 200 },
  duplex: true,
  async start({ listen = "unix", workers = 4 } = {}) {
    const settings = Object.entries(phpSettings).map(([name, value]) => [`php_admin_value[${name}]`, value]);
    const pool = await startPhpFpm({
      listen,
      pool: { "pm.max_children": String(workers), ...Object.fromEntries(settings) },
    });
    return { ...reaching(pool.target, { script: programFile("application.php") }), stop: () => pool.stop() };
  },
};

/** The other FastCGI program of PHP, which serves by itself. */
export const phpCgi: Application = {
  name: "php-cgi",
  listen: ["unix", "tcp"],
  values: { FCGI_MAX_CONNS: "4", FCGI_MAX_REQS: "4", FCGI_MPXS_CONNS: "0" },
  appStatus: 0,
  headerless: 200,
  stderr: said,
  duplex: true,
  start(options = {}) {
    return startListening("php-cgi", options, { script: programFile("application.php") }, ({ target, workers }) => ({
      command: requireProgram("php-cgi"),
      args: [
        "-b",
        addressOf(target),
        ...Object.entries({ ...phpSettings, output_buffering: "0", max_execution_time: "0" }).flatMap(
          ([name, value]) => ["-d", `${name}=${value}`],
        ),
      ],
      // Unlimited: it would leave after 500 requests.
      env: { PHP_FCGI_CHILDREN: String(workers), PHP_FCGI_MAX_REQUESTS: "0" },
    }));
  },
};

/** Go's net/http/fcgi: one process, any number of requests at once, also on one connection. */
export const go: Application = {
  name: "Go",
  listen: ["unix", "tcp"],
  values: { FCGI_MPXS_CONNS: "1" },
  // A handler has no way to say anything else.
  appStatus: 0,
  headerless: 200,
  // Nor has it one to FCGI_STDERR: only the library writes there, about requests that it does not understand.
  stderr: { params: { REQUEST_METHOD: "" }, message: "cgi: no REQUEST_METHOD in environment", status: 500 },
  duplex: true,
  async start(options = {}) {
    const command = await compile("go-application", (output) =>
      run(requireProgram("go"), ["build", "-o", output, "."], {
        cwd: programFile("go"),
        // Nothing is fetched: neither modules, of which there are none, nor another Go.
        env: { ...process.env, GOPROXY: "off", GOTOOLCHAIN: "local", GOFLAGS: "", GOWORK: "off" },
      }),
    );
    return startListening("Go", options, {}, ({ target }) => ({ command, args: [addressOf(target)] }));
  },
};

/** libfcgi, with a process for each request at a time. */
export const libfcgi: Application = {
  name: "libfcgi",
  listen: ["unix", "tcp"],
  values: { FCGI_MAX_CONNS: "1", FCGI_MAX_REQS: "1", FCGI_MPXS_CONNS: "0" },
  appStatus: 3,
  headerless: "malformedResponse",
  stderr: said,
  duplex: true,
  async start(options = {}) {
    const include = `-I${dirname(requireProgram("libfcgi"))}`;
    const command = await compile("libfcgi-application", (output) =>
      run(requireProgram("cc"), ["-O1", include, "-o", output, programFile("libfcgi.c"), "-lfcgi"]),
    );
    return startListening("libfcgi", options, {}, ({ target, workers }) => ({
      command,
      args: [addressOf(target), String(workers)],
    }));
  },
};

/** Perl's FCGI, which is libfcgi underneath. */
export const perlFcgi: Application = {
  name: "Perl FCGI",
  listen: ["tcp"],
  values: { FCGI_MAX_CONNS: "1", FCGI_MAX_REQS: "1", FCGI_MPXS_CONNS: "0" },
  // The module does not pass on what would set it.
  appStatus: 0,
  headerless: "malformedResponse",
  stderr: said,
  duplex: true,
  start(options = {}) {
    requireProgram("perl-fcgi");
    return startListening("Perl FCGI", options, {}, ({ target, workers }) => ({
      command: requireProgram("perl"),
      args: [programFile("perl_fcgi.pl"), addressOf(target), String(workers)],
    }));
  },
};

/**
 * fcgiwrap, which runs a CGI script for each request, one at a time. (It can start more of itself, but those outlive it when it
 * is told to stop.)
 */
export const fcgiwrap: Application = {
  name: "fcgiwrap",
  listen: ["unix"],
  values: { FCGI_MAX_CONNS: "1", FCGI_MAX_REQS: "1", FCGI_MPXS_CONNS: "0" },
  // It does not tell the exit status of a script.
  appStatus: 0,
  headerless: "malformedResponse",
  stderr: said,
  // It waits for a script that takes no more input before it looks for output, so both wait.
  duplex: false,
  start(options = {}) {
    // NO_BUFFERING: pass each piece of output on, as nginx's configurations for fcgiwrap have it.
    const needs = { script: programFile("cgi.sh"), params: { NO_BUFFERING: "1" } };
    return startListening("fcgiwrap", options, needs, ({ target }) => ({
      command: requireProgram("fcgiwrap"),
      args: ["-f", "-s", "path" in target ? `unix:${target.path}` : `tcp:${addressOf(target)}`],
    }));
  },
};

/** All applications that the tests have. */
export const applications: readonly Application[] = [phpFpm, phpCgi, go, libfcgi, perlFcgi, fcgiwrap];
