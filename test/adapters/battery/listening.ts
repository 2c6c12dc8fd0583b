import { existsSync, lstatSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { RecordType } from "../../../src/toolkit.ts";
import { RawConnection } from "../../support/raw_connection.ts";
import { bytesOf, recordsIn, request, textOf } from "../../support/records.ts";
import { type RuntimeServer, startRuntimeServer } from "../../support/runtimes.ts";
import { unansweredSocket } from "../../support/unanswered.ts";
import type { ServingRuntime, Setting } from "./battery.ts";
import { nodeClient } from "./node_client.ts";
import type { Target } from "./programs/operations.ts";
import { racingCases } from "./racing.ts";
import { shortageCases } from "./shortage.ts";
import { socketFileCases } from "./socket_file.ts";

/** What only the half that serves does: connections that are no client's of ours, and where it listens. */
export function listeningCases(setting: Setting, runtime: ServingRuntime): void {
  const { column, row, link } = setting;
  column.test(row, "serve closes the connection behind the response when the web server does not keep it", async () => {
    const connection = await RawConnection.open(link().target);
    await connection.write(bytesOf(request(1, { keepConn: false })));
    const records = recordsIn(await connection.readToEnd());
    expect(textOf(records, RecordType.Stdout, 1)).toMatch(/^Status: 200 .*answered \/$/s);
    expect(records.at(-1)!.type).toBe(RecordType.EndRequest);
  });

  shortageCases(setting, runtime);
  if (setting.kind === "TCP") portCases(setting, runtime);
  else pathCases(setting, runtime);
}

async function start(runtime: ServingRuntime, options: object, env?: NodeJS.ProcessEnv): Promise<RuntimeServer> {
  const server = await startRuntimeServer(runtime, options, { ...(env !== undefined && { env }) });
  onTestFinished(() => server.stop());
  return server;
}

/** What a program that can't listen says. */
async function errorOf(runtime: ServingRuntime, options: object): Promise<string> {
  const [line] = (await start(runtime, options)).lines();
  return `${line!.name}: ${line!.message}`;
}

function portCases({ column, row }: Setting, runtime: ServingRuntime): void {
  column.test(row, "serve answers a peer whose address is in FCGI_WEB_SERVER_ADDRS and refuses others", async () => {
    const allowed = await start(runtime, { port: 0 }, { FCGI_WEB_SERVER_ADDRS: "192.0.2.1, 127.0.0.1" });
    const client = nodeClient((await allowed.line("address")) as Target);
    expect(await (await client.fetch("http://localhost/")).text()).toBe("answered /");

    const refusing = await start(runtime, { port: 0 }, { FCGI_WEB_SERVER_ADDRS: "192.0.2.1" });
    const connection = await RawConnection.open((await refusing.line("address")) as Target);
    expect(await connection.readToEnd()).toHaveLength(0);
    expect(await refusing.line("error")).toContain("Cannot accept a connection from 127.0.0.1");
  });

  column.test(row, "serve says what is wrong when it can't listen", async () => {
    const taken = await start(runtime, { port: 0 });
    const { port } = (await taken.line("address")) as { port: number };
    expect(await Promise.all([{ port }, { port: -1 }].map((options) => errorOf(runtime, options)))).toEqual([
      `Error: Cannot listen on 127.0.0.1:${port}: something else listens there (EADDRINUSE)`,
      "RangeError: Cannot listen: expected port to be an integer from 0 to 65535, got -1",
    ]);
    const unknown = await errorOf(runtime, { hostname: "no-such-host.invalid", port: 0 });
    expect(unknown).toMatch(/^Error: Cannot listen on no-such-host\.invalid:0: /);
    expect(unknown).toMatch(UNKNOWN_HOST);
  });
}

/** Without a resolver, no name is known to be none. */
export const UNKNOWN_HOST =
  /: (there is no host of this name; .*\(ENOTFOUND|the name could not be looked up; .*\(EAI_AGAIN)\)$/;

function pathCases(setting: Setting, runtime: ServingRuntime): void {
  const { column, row, newPath } = setting;
  racingCases(setting, runtime);
  socketFileCases(setting, runtime);

  column.test(row, "serve gives the socket file its mode, and replaces one when its process was killed", async () => {
    const path = newPath();
    const first = await start(runtime, { path });
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect(await errorOf(runtime, { path })).toBe(
      `Error: Cannot listen on ${path}: another process listens there (EADDRINUSE)`,
    );
    await first.stop();
    expect(lstatSync(path).isSocket()).toBe(true);
    const third = await start(runtime, { path, mode: 0o666 });
    expect(third.lines()).toEqual([{ address: { path } }]);
    expect(statSync(path).mode & 0o777).toBe(0o666);
  });

  column.test(row, "serve refuses a path when the process that listens there takes no more connections", async () => {
    const path = newPath();
    await unansweredSocket(path);
    expect(await errorOf(runtime, { path })).toBe(
      `Error: Cannot listen on ${path}: another process listens there (EADDRINUSE)`,
    );
    expect(lstatSync(path).isSocket()).toBe(true);
  });

  column.test(row, "serve listens on a short name in a folder whose path is as long as it can be", async () => {
    const most = process.platform === "linux" ? 107 : 103;
    const folder = newPath().padEnd(most - "/a".length, "-");
    mkdirSync(folder);
    const path = join(folder, "a");
    const server = await start(runtime, { path });
    expect(server.lines()).toEqual([{ address: { path } }]);
    expect(await (await nodeClient({ path }).fetch("http://localhost/")).text()).toBe("answered /");
    server.askToClose();
    expect(await server.exited).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  column.test(row, "serve says what is wrong when it can't listen", async () => {
    const file = newPath();
    writeFileSync(file, "precious");
    const missing = join(dirname(file), "missing", "app.sock");
    expect(await Promise.all([missing, file].map((path) => errorOf(runtime, { path })))).toEqual([
      `Error: Cannot listen on ${missing}: its folder does not exist (ENOENT)`,
      `Error: Cannot listen on ${file}: the file exists and is not a socket; remove it, or choose another path`,
    ]);
  });
}
