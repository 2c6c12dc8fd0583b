// An application before and after its move: the program that serves it over HTTP, and the one with the changed import that
// serves it over FastCGI, each behind nginx, and the first also with nothing in front.

import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "./free_port.ts";
import { type Answer, answerOf, byName, withReason } from "./http_answer.ts";
import { exchangeHttp } from "./http_message.ts";
import { fastCgiLocation, startNginx } from "./nginx.ts";
import { patternBytes } from "./pattern.ts";
import { type RunningProcess, startProcess } from "./process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A request, byte by byte. */
export interface MovedRequest {
  /** Such as `GET /`. */
  readonly start: string;
  /** What the name of its test says of it beside the start. */
  readonly which?: string;
  /** Each ends with CRLF. */
  readonly lines?: string;
  readonly body?: string;
}

/** A request, and what is not as it was. */
export interface Exchange extends MovedRequest {
  readonly but?: Difference;
}

/** An answer that is not what it was natively. All that is not named here is. */
export interface Difference {
  readonly reason: string;
  /** Also behind nginx over HTTP: then it is nginx's doing. */
  readonly alsoProxied?: boolean;
  readonly natively: Partial<Answer>;
  readonly overFastCgi?: Partial<Answer>;
  readonly removedHeaders?: readonly string[];
  readonly addedHeaders?: readonly string[];
  /** The answer is in all else the native one to this request. */
  readonly as?: MovedRequest;
}

/** How a request is answered. */
export interface Answers {
  /** By the program over HTTP. */
  readonly natively: Answer;
  /** By the same behind nginx, `proxy_pass`. */
  readonly proxied: Answer;
  /** By the program over FastCGI behind nginx, `fastcgi_pass`. */
  readonly overFastCgi: Answer;
}

interface MovedApplication {
  ask(request: MovedRequest): Promise<Answers>;
  stop(): Promise<void>;
}

/** Starts `before.ts` and `main.ts` of an example, and nginx. */
async function startMovedApplication(example: string): Promise<MovedApplication> {
  const [nativePort, fastCgiPort, proxyPort] = [await freePort(), await freePort(), await freePort()];
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    const start = async (program: string, port: number): Promise<void> => {
      const started = await startProgram(`examples/${example}/${program}`, port);
      stops.push(() => started.stop());
    };
    await Promise.all([start("before.ts", nativePort), start("main.ts", fastCgiPort)]);
    const nginx = await startNginx({
      locations: [fastCgiLocation(`127.0.0.1:${fastCgiPort}`)],
      http: `
  server {
    listen 127.0.0.1:${proxyPort};
    location / {
      proxy_pass http://127.0.0.1:${nativePort};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }
  }`,
    });
    stops.push(() => nginx.stop());
    const ask = async (port: number, { start, lines = "", body }: MovedRequest): Promise<Answer> =>
      answerOf(await exchangeHttp(port, start, `Host: shop.example\r\n${lines}`, body));
    return {
      async ask(request) {
        // One after the other: some of what an application answers depends on what was asked before.
        const natively = await ask(nativePort, request);
        const proxied = await ask(proxyPort, request);
        return { natively, proxied, overFastCgi: await ask(nginx.port, request) };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Asks both, and compares. */
async function expectSameAnswer(app: MovedApplication, { but, ...request }: Exchange): Promise<void> {
  const { natively, proxied, overFastCgi } = await app.ask(request);
  if (but === undefined) {
    expect(overFastCgi).toEqual(withReason(natively));
    expect(overFastCgi).toEqual(withReason(proxied));
    return;
  }
  expect(natively).toMatchObject(but.natively);
  const like = but.as === undefined ? natively : (await app.ask(but.as)).natively;
  const { removedHeaders = [], addedHeaders = [] } = but;
  expect(like.headers).toEqual(expect.arrayContaining([...removedHeaders]));
  const kept = like.headers.filter((line) => !removedHeaders.includes(line));
  const headers = [...kept, ...addedHeaders].sort(byName);
  expect(overFastCgi, but.reason).toEqual({ ...withReason(like), headers, ...but.overFastCgi });
  if (but.alsoProxied) expect(overFastCgi).toEqual(withReason(proxied));
  else expect(overFastCgi).not.toEqual(withReason(proxied));
}

function startProgram(program: string, port: number): Promise<RunningProcess> {
  return startProcess(process.execPath, {
    name: program,
    args: ["--import", "tsx", program],
    cwd: root,
    env: { ...process.env, PORT: String(port) },
    ready: () =>
      new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      }),
  });
}

/** The lines that only one of the two programs of an example has. */
function changedLines(example: string): ChangedLines {
  const [before, after] = ["before.ts", "main.ts"].map((name) =>
    readFileSync(new URL(`../../examples/${example}/${name}`, import.meta.url), "utf8").split("\n"),
  ) as [string[], string[]];
  return {
    before: before.filter((line) => !after.includes(line)),
    after: after.filter((line) => !before.includes(line)),
  };
}

/** The request for an answer that breaks off. */
export const BROKEN_OFF: Exchange = {
  start: "GET /breaks",
  but: {
    reason: "the response is broken off either way; nginx drops what it has not sent yet",
    natively: { status: 200, body: "the start\n", isWhole: false },
    overFastCgi: { status: 0, reason: "", headers: [], body: "" },
  },
};

/** The body of a request in two chunks. */
export function chunked(text: string): string {
  const half = Math.ceil(text.length / 2);
  const pieces = [text.slice(0, half), text.slice(half)];
  return `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join("")}0\r\n\r\n`;
}

/** A body of bytes that are not all the same. */
export function pattern(bytes: number): string {
  return Buffer.from(patternBytes(bytes)).toString("latin1");
}

/** The lines of a request with a body, and the body. */
export function sized(lines: string, body: string): Pick<MovedRequest, "lines" | "body"> {
  return { lines: `${lines}Content-Length: ${body.length}\r\n`, body };
}

/** The lines that a move changes. */
export interface ChangedLines {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** The tests of an example that has moved: only these lines have changed, and its answers have not. */
export function describeMoved(example: string, lines: ChangedLines, exchanges: readonly Exchange[]): void {
  let app: MovedApplication;

  beforeAll(async () => {
    app = await startMovedApplication(example);
  });
  afterAll(() => app?.stop());

  it("has moved with no other change of its program", () => {
    expect(changedLines(example)).toEqual(lines);
  });

  for (const exchange of exchanges) {
    const { start, which } = exchange;
    it(`answers as natively when asked ${start}${which === undefined ? "" : `, ${which}`}`, () =>
      expectSameAnswer(app, exchange));
  }
}
