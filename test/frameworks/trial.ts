// An app beside itself: served by its framework's own server, and over FastCGI behind nginx, and asked the same.

import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { request as requestSecurely } from "node:https";
import { connect, type NetConnectOpts } from "node:net";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { generate } from "selfsigned";
import { freePort } from "../support/free_port.ts";
import { type Answer, answerOf, byName, withReason } from "../support/http_answer.ts";
import { type HttpMessage, parseResponse } from "../support/http_message.ts";
import { fastCgiLocation, startNginx } from "../support/nginx.ts";
import { type RunningProcess, startProcess } from "../support/process.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { type Amount, battery, WHOLE } from "./battery.ts";
import type { Difference, Exchange, Framework, Result } from "./framework.ts";
import { LaterWork } from "./later_work.ts";

/** What the app is asked for. */
const HOST = "shop.example";
/** Not the address of the web server, so that an app that takes one for the other is found out. */
const CLIENT = "127.0.0.2";
const LAST_CHUNK = "\r\n0\r\n\r\n";

/** An app that is ready to run. */
export interface Installed {
  readonly folder: string;
  readonly version: string;
  /** The runtime, and its arguments before those of a program. */
  readonly command: readonly string[];
  readonly runtime: string;
}

/** Starts the app both ways, and compares what it answers. `amount` is what the battery asks for. */
export async function trial(
  framework: Framework,
  { folder, version, command, runtime }: Installed,
  amount: Amount = WHOLE,
): Promise<Result> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const own = await createTemporaryDirectory("frameworks");
    stops.push(() => own.remove());
    const [port, securePort] = [await freePort(), await freePort()];
    const socket = join(own.path, "app.sock");
    // Some tools set another value while they build.
    const env = { ...process.env, NODE_ENV: "production", PATH: `${dirname(command[0]!)}:${process.env.PATH}` };
    const start = async (
      args: readonly string[],
      place: NodeJS.ProcessEnv,
      target: NetConnectOpts,
    ): Promise<RunningProcess> => {
      const started = await startProcess(command[0]!, {
        name: `${framework.title}: ${args.join(" ")}`,
        args: [...command.slice(1), ...args],
        cwd: folder,
        env: { ...env, ...place },
        ready: () => canConnect(target),
      });
      stops.push(() => started.stop());
      return started;
    };
    const { nativeScheme, additions } = framework;
    const [nativeWork, work] = [
      await LaterWork.listen(join(own.path, "native-work.sock")),
      await LaterWork.listen(join(own.path, "work.sock")),
    ];
    stops.push(
      () => nativeWork.close(),
      () => work.close(),
    );
    const place = {
      LATER: work.path,
      HOST: "127.0.0.1",
      HOSTNAME: "127.0.0.1",
      PORT: String(port),
      ...nativeScheme?.variables,
    };
    await start(framework.native ?? ["native.js"], place, { host: "127.0.0.1", port });
    const program = await start(
      framework.fastCgi ?? ["fastcgi.js"],
      { SOCKET: socket, LATER: work.path },
      { path: socket },
    );
    const nginx = await startNginx(await siteOf(framework, folder, socket, securePort, own.path));
    stops.push(() => nginx.stop());

    const differences: Result["differences"][number][] = [];
    const faults: string[] = [];
    const compare = (natively: Answer, overFastCgi: Answer, start: string, difference?: Difference): void => {
      if (difference !== undefined) differences.push({ start, reason: difference.reason });
      const fault = faultOf(natively, overFastCgi, difference);
      if (fault !== null) faults.push(`${start}: ${fault}`);
    };
    let count = 0;
    for (const exchange of framework.exchanges) {
      const { start } = exchange;
      const clean = (message: HttpMessage): Answer => cleaned(message, exchange, framework);
      const lines = `${exchange.lines ?? ""}${nativeScheme?.lines ?? ""}`;
      const natively = clean(await ask(port, { ...exchange, lines }));
      if (!isExpected(exchange, natively)) faults.push(`${start}: natively ${JSON.stringify(natively)}`);
      const difference = framework.differences?.[start];
      compare(natively, clean(await ask(nginx.port, exchange)), start, difference);
      count++;
      if (!exchange.isAskedSecurely) continue;
      const secure = clean(await askSecurely(securePort, exchange));
      compare(secured(natively), secure, `${start} over HTTPS`, framework.differences?.[`${start} over HTTPS`]);
      count++;
    }
    // Its server may wait for it, too.
    await nativeWork.close();
    if (framework.isListener) faults.push(...(await battery(socket, program.pid, amount)));
    const rows = [...new Set(framework.exchanges.map(({ row }) => row))];
    if (rows.includes("waitUntil")) {
      const stopped = async (): Promise<boolean> => !(await canConnect({ path: socket }));
      const fault = await work.waitedFor(program, stopped);
      if (fault !== null) faults.push(`waitUntil: ${fault}`);
    }
    return {
      title: framework.title,
      package: framework.package,
      version,
      runtime,
      nativeServer: framework.nativeServer,
      served: framework.served,
      rows,
      ...(framework.isListener && { isListener: true }),
      filesByWebServer: framework.files !== undefined,
      exchanges: count,
      differences,
      ...(additions && { additions: additions.reason }),
      faults,
    };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Two answers can also be the same because both refuse the request. */
function isExpected({ row }: Exchange, { status, headers, body, isWhole }: Answer): boolean {
  switch (row) {
    case "range":
      return status === 206;
    case "compression":
      return status === 200 && headers.includes("content-encoding: gzip");
    case "broken off":
      return status === 200 && body === "one\n" && !isWhole;
    case "404":
      return status === 404;
    case "redirect":
      return status >= 300 && status < 400;
    // GraphQL tells of errors with status 200.
    case "error":
      return true;
    default:
      return status >= 200 && status < 300;
  }
}

async function siteOf(
  framework: Framework,
  folder: string,
  socket: string,
  securePort: number,
  ownFolder: string,
): Promise<Parameters<typeof startNginx>[0]> {
  const { cert, private: key } = await generate([{ name: "commonName", value: HOST }], {
    keyType: "ec",
    algorithm: "sha256",
  });
  const pem = join(ownFolder, "https.pem");
  await writeFile(pem, `${cert}\n${key}\n`);
  const { files } = framework;
  const match = files === undefined ? "/" : "@app";
  return {
    locations: [fastCgiLocation(`unix:${socket}`, { match, buffering: false })],
    http: "include /etc/nginx/mime.types;",
    server: `listen 127.0.0.1:${securePort} ssl;
      ssl_certificate ${pem};
      ssl_certificate_key ${pem};
      ${files === undefined ? "" : `location / { root ${join(folder, files)}; try_files $uri @app; }`}`,
  };
}

async function canConnect(target: NetConnectOpts): Promise<boolean> {
  const socket = connect(target);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function ask(
  port: number,
  { start, lines = "", body = "", release }: Omit<Exchange, "row">,
): Promise<HttpMessage> {
  const connection = await RawConnection.open({ port, localAddress: CLIENT });
  try {
    await connection.write(`${start} HTTP/1.1\r\nHost: ${HOST}\r\n${lines}Connection: close\r\n\r\n${body}`);
    if (release !== undefined) {
      await connection.readUntil((bytes) => bytes.includes("one"));
      await ask(port, { start: release });
    }
    const isLast = (bytes: Buffer): boolean => bytes.subarray(-LAST_CHUNK.length).toString("latin1") === LAST_CHUNK;
    await connection.readUntil((bytes) => connection.closed || isLast(bytes));
    return parseResponse(connection.received.toString("latin1"));
  } finally {
    connection.close();
  }
}

async function askSecurely(port: number, { start, lines = "", body = "" }: Exchange): Promise<HttpMessage> {
  const [method, path] = start.split(" ") as [string, string];
  const headers = lines
    .split("\r\n")
    .filter(Boolean)
    .map((line) => line.split(": ") as [string, string]);
  const request = requestSecurely({
    host: "127.0.0.1",
    port,
    method,
    path,
    localAddress: CLIENT,
    headers: { host: HOST, ...Object.fromEntries(headers.map(([name, value]) => [name, withHttps(value)])) },
    rejectUnauthorized: false,
    agent: false,
  });
  request.end(body, "latin1");
  const [response] = await once(request, "response");
  let text = "";
  for await (const piece of response.setEncoding("latin1")) text += piece;
  const names = (response.rawHeaders as string[]).filter((_, index) => index % 2 === 0);
  const values = (response.rawHeaders as string[]).filter((_, index) => index % 2 === 1);
  return {
    status: response.statusCode,
    reason: response.statusMessage,
    headers: names.map((name, index) => [name, values[index]!]),
    body: text,
    isWhole: response.complete,
  };
}

function withHttps(text: string): string {
  return text.replaceAll(`http://${HOST}`, `https://${HOST}`);
}

/** What an answer is if the same is asked over HTTPS. */
function secured(answer: Answer): Answer {
  return { ...answer, headers: answer.headers.map(withHttps), body: withHttps(answer.body) };
}

/** Without what changes from answer to answer, and of a file only what the app decides. */
function cleaned(message: HttpMessage, { row }: Exchange, { files, changing, additions }: Framework): Answer {
  const answer = withReason(answerOf(message));
  const same = (text: string): string => (changing === undefined ? text : text.replace(changing, "…"));
  // How `charset` is written is the choice of the server or the runtime.
  const headers = answer.headers.map((line) => same(line.replace(/; *charset=utf-8$/i, ";charset=utf-8")));
  const own =
    additions === undefined ? headers : headers.map((line) => line.replace(additions.text, "")).filter(Boolean);
  const isOfWebServer = files !== undefined && row === "asset";
  return { ...answer, headers: isOfWebServer ? [] : own, body: same(answer.body) };
}

/** What is not as expected; null if nothing. */
function faultOf(natively: Answer, overFastCgi: Answer, difference: Difference | undefined): string | null {
  const { removedHeaders = [], addedHeaders = [] } = difference ?? {};
  const missing = [
    ...removedHeaders.filter((line) => !natively.headers.includes(line)),
    ...Object.entries(difference?.natively ?? {}).filter(
      ([name, value]) => !isDeepStrictEqual(natively[name as keyof Answer], value),
    ),
  ];
  if (missing.length > 0) return `not natively ${JSON.stringify(missing)}, but ${JSON.stringify(natively)}`;
  const kept = natively.headers.filter((line) => !removedHeaders.includes(line));
  const expected = { ...natively, headers: [...kept, ...addedHeaders].sort(byName), ...difference?.overFastCgi };
  if (difference !== undefined && isDeepStrictEqual(expected, natively)) return "the explained difference names none";
  if (isDeepStrictEqual(overFastCgi, expected)) return null;
  return `expected ${JSON.stringify(expected)}, got ${JSON.stringify(overFastCgi)}`;
}
