import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ProgramName, requireProgram } from "../../../scripts/setup.mjs";
import { freePort } from "../free_port.ts";
import { startProcess } from "../process.ts";
import { createTemporaryDirectory } from "../temporary_directory.ts";
import { exampleConfig, type Places } from "./example_config.ts";

/** A web server, and how it is started with one of the examples. */
export interface WebServer {
  readonly name: string;
  /** All that it needs. The first is what runs. */
  readonly programs: readonly [ProgramName, ...ProgramName[]];
  /** What makes it print its version, and where in that the version stands. */
  readonly version: { readonly args: readonly string[]; readonly pattern: RegExp };
  /**
   * The configuration around an example: what the distribution's own files say elsewhere, with temporary folders in place of the
   * system's. Whole files are taken as they are.
   */
  configure(example: string, setting: Setting): string;
  /** Runs in the foreground. */
  args(setting: Setting): readonly string[];
  readonly env?: (setting: Setting) => NodeJS.ProcessEnv;
  readonly stopSignal?: NodeJS.Signals;
  /** Milliseconds until it is killed. */
  readonly graceTime?: number;
}

/** Where a server runs. */
export interface Setting {
  readonly folder: string;
  readonly port: number;
  /** The configuration file. */
  readonly file: string;
  /** Started by root, most change to another user, who may not enter the folders of the tests. */
  readonly isRoot: boolean;
}

export interface RunningWebServer {
  readonly port: number;
  /** Such as `http://127.0.0.1:20000`, without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** The folder of the site's files. */
  readonly www: string;
  log(): string;
  /** Rejects when the web server ends before it is stopped. */
  readonly died: Promise<never>;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** A file below `examples/web-servers`. */
  readonly example: string;
  readonly socket: string;
  readonly php?: string;
  readonly program?: string;
  readonly authorizer?: Places["authorizer"];
  /** Changes the example further, for what it does not show. */
  readonly edit?: (config: string) => string;
}

/** Starts a web server of our own with an example's configuration on a free port. */
export async function startWebServer(server: WebServer, options: StartOptions): Promise<RunningWebServer> {
  const { example, socket, php, program, authorizer, edit = (text) => text } = options;
  const commands = server.programs.map(requireProgram);
  const directory = await createTemporaryDirectory(server.programs[0]);
  try {
    // Apache never runs its workers as root; the group may enter.
    await chmod(directory.path, 0o750);
    const www = join(directory.path, "www");
    await mkdir(www);
    const port = await freePort();
    const file = join(directory.path, "server.conf");
    const setting: Setting = { folder: directory.path, port, file, isRoot: process.getuid?.() === 0 };
    const places = {
      port,
      socket,
      www,
      ...(php !== undefined && { php }),
      ...(program !== undefined && { program }),
      ...(authorizer !== undefined && { authorizer }),
    };
    await writeFile(file, server.configure(edit(exampleConfig(example, places)), setting));
    const log = (): string => readIfThere(join(directory.path, "error.log"));
    const started = await startProcess(commands[0]!, {
      name: server.name,
      args: server.args(setting),
      env: {
        PATH: process.env.PATH,
        LANG: "C",
        HOME: directory.path,
        TMPDIR: directory.path,
        ...server.env?.(setting),
      },
      cwd: directory.path,
      ready: () => accepts(port),
      log,
      ...(server.stopSignal !== undefined && { stopSignal: server.stopSignal }),
      ...(server.graceTime !== undefined && { graceTime: server.graceTime }),
    });
    let stopping = false;
    const died = started.exited.then((how): Promise<never> => {
      if (stopping) return new Promise(() => {});
      throw new Error(`${server.name} has ended with ${how}\n${log()}${started.stderr()}`);
    });
    died.catch(() => {}); // Code that waits for an answer looks here.
    return {
      port,
      www,
      died,
      url: `http://127.0.0.1:${port}`,
      pid: started.pid,
      log: () => `${log()}${started.stderr()}`,
      async stop() {
        stopping = true;
        await started.stop();
        await directory.remove();
      },
    };
  } catch (error) {
    await directory.remove();
    throw error;
  }
}

const run = promisify(execFile);

/** The version that is installed, such as "1.22.1". */
export async function versionOf({ programs: [program], version }: WebServer): Promise<string> {
  const { stdout, stderr } = await run(requireProgram(program), version.args);
  const found = version.pattern.exec(stdout + stderr)?.[1];
  if (found === undefined) throw new Error(`Cannot tell the version of ${program}: it says ${stdout}${stderr}`);
  return found;
}

function readIfThere(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
