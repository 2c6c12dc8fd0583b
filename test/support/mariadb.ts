import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { requireProgram } from "../../scripts/setup.mjs";
import { type RunningProcess, startProcess } from "./process.ts";
import { createTemporaryDirectory } from "./temporary_directory.ts";

export interface MariaDb {
  /** Path of its socket; it listens nowhere else. */
  readonly socket: string;
  /** An empty database, and who may use it. */
  readonly database: string;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

/** Starts a private MariaDB with one empty database, as the current user, and with files in a temporary folder. */
export async function startMariaDb(): Promise<MariaDb> {
  const command = requireProgram("mariadbd");
  const directory = await createTemporaryDirectory("mariadb");
  const inDirectory = (name: string): string => join(directory.path, name);
  const readLog = (): string => (existsSync(inDirectory("db.log")) ? readFileSync(inDirectory("db.log"), "utf8") : "");
  const access = { database: "site", user: "site", password: "a-password-of-the-database" };
  // Started by root it would run as a user who may not enter the folder.
  const common = [
    "--no-defaults",
    `--datadir=${inDirectory("data")}`,
    ...(process.getuid?.() === 0 ? ["--user=root"] : []),
  ];
  let server: RunningProcess;
  try {
    const install = join(dirname(dirname(command)), "bin", "mariadb-install-db");
    await promisify(execFile)(install, [...common, "--skip-test-db", "--auth-root-authentication-method=socket"]);
    await writeFile(
      inDirectory("start.sql"),
      `CREATE DATABASE ${access.database};
CREATE USER '${access.user}'@'localhost' IDENTIFIED BY '${access.password}';
GRANT ALL ON ${access.database}.* TO '${access.user}'@'localhost';
`,
    );
    server = await startProcess(command, {
      name: "mariadbd",
      args: [
        ...common,
        `--socket=${inDirectory("db.sock")}`,
        `--pid-file=${inDirectory("db.pid")}`,
        `--log-error=${inDirectory("db.log")}`,
        `--init-file=${inDirectory("start.sql")}`,
        "--skip-networking",
        // It is gone after the test: nothing has to be safe on the disk.
        "--innodb-flush-log-at-trx-commit=0",
        "--skip-innodb-doublewrite",
      ],
      readyTimeout: 60_000,
      graceTime: 20_000,
      ready: () => readLog().includes("ready for connections"),
      log: readLog,
    });
  } catch (error) {
    await directory.remove();
    throw error;
  }
  return {
    ...access,
    socket: inDirectory("db.sock"),
    async stop() {
      await server.stop();
      await directory.remove();
    },
  };
}
