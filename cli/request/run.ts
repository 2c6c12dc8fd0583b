import {
  byteStringToUtf8,
  decodeByteString,
  FastCgiClient,
  FastCgiError,
  type FastCgiRequestInit,
} from "../../src/toolkit.ts";
import { connectorFor } from "../address.ts";
import type { CgiAnswer } from "../cgi_answer.ts";
import { type CommandContext, type CommandInput, type Output, UsageError } from "../frame/command.ts";
import { openFile } from "../frame/open_file.ts";
import { formatBytes, Progress } from "../frame/progress.ts";
import { unlessAborted, untilAborted } from "../frame/signal.ts";
import { safeJson, safeLine } from "../frame/style.ts";
import { fileBody, openBody, type RequestBody } from "./body.ts";
import { exchange } from "./exchange.ts";
import { exitOfError, exitOfStatus, REQUEST_EXITS } from "./exits.ts";
import type { requestOptions } from "./options.ts";
import { repeat } from "./repeat.ts";
import { type RequestShape, shapeOf } from "./shape.ts";

type Input = CommandInput<typeof requestOptions>;

/** A body of so many bytes is sent with a progress line. */
const LARGE_BODY = 1_000_000;

export async function run(
  { options, operands: [address = "", target = "/"] }: Input,
  context: CommandContext,
): Promise<number> {
  const { signal, stdin } = context;
  const { timeout, data, role, concurrency, json } = options;
  const filterName = options["filter-file"];
  if ((role === "filter") !== (filterName !== undefined))
    throw new UsageError(`Cannot send the request: --role filter and --filter-file FILE need each other`);
  const client = new FastCgiClient(connectorFor(address), {
    connectTimeout: timeout,
    headerTimeout: timeout,
    readTimeout: timeout,
    writeTimeout: timeout,
    // The user decides how fast the output is read.
    stallTimeout: Number.POSITIVE_INFINITY,
    requestBodyTimeout: Number.POSITIVE_INFINITY,
    maxStderrBytes: Number.POSITIVE_INFINITY,
    maxConnections: concurrency,
  });
  const bodies: RequestBody[] = [];
  try {
    const body = data === undefined ? null : await openBody(data, stdin, signal);
    if (body !== null) bodies.push(body);
    const filterFile = filterName === undefined ? null : await fileBody(filterName, signal);
    if (filterFile !== null) bodies.push(filterFile);
    const shape = shapeOf(target, options, body, filterFile);
    const sending: Sending = { client, shape, body, filterFile };
    if (options.repeat !== undefined) {
      return await repeat(options.repeat, () => requestOf(sending, { signal }), client, { concurrency, json }, context);
    }
    return await once(sending, options, context);
  } catch (error) {
    if (signal.aborted) return REQUEST_EXITS.interrupted;
    if (!(error instanceof FastCgiError)) throw error;
    context.printError(`fetchcgi: ${safeLine(error.message)}`);
    return exitOfError(error);
  } finally {
    await client.close({ timeout: 0 });
    await Promise.all(bodies.map((body) => body.close()));
  }
}

/** What every request of a run has. */
interface Sending {
  readonly client: FastCgiClient;
  readonly shape: RequestShape;
  readonly body: RequestBody | null;
  readonly filterFile: RequestBody | null;
}

async function requestOf(
  { shape, body, filterFile }: Sending,
  more: Pick<FastCgiRequestInit, "signal" | "onStderr"> & { onSent?: (bytes: number) => void },
): Promise<FastCgiRequestInit> {
  const { onSent, ...init } = more;
  return {
    ...shape,
    ...init,
    ...(body !== null && { stdin: await body.open(onSent) }),
    ...(filterFile !== null && { data: await filterFile.open() }),
  };
}

/** What `--json` prints about one request, however it ended. */
interface Outcome {
  /** Null, and no fields, if no header came. */
  status: number | null;
  fields: Readonly<Record<string, string | readonly string[]>>;
  /** Bytes of the body that came. */
  bytes: number;
  milliseconds: number;
  /** Null if the application did not end the request. */
  appStatus: number | null;
  stderr: string;
  /** Why there is no whole answer; null if there is one. */
  error: string | null;
}

async function once(sending: Sending, options: Input["options"], context: CommandContext): Promise<number> {
  const { stdout, stderr, signal, print } = context;
  const { body } = sending;
  const progress = new Progress(stderr);
  const outcome: Outcome = {
    status: null,
    fields: {},
    bytes: 0,
    milliseconds: 0,
    appStatus: null,
    stderr: "",
    error: null,
  };
  const started = performance.now();
  const tell = (): void => {
    outcome.milliseconds = Math.round(performance.now() - started);
    if (options.json) print(safeJson(outcome));
  };
  const request = await requestOf(sending, {
    signal,
    onStderr(piece) {
      const text = byteStringToUtf8(decodeByteString(piece));
      outcome.stderr += options.json ? text : "";
      if (!options.stderr) return;
      progress.clear();
      void stderr.write(shownMessage(text, stderr)).catch(() => {});
    },
    ...(body !== null &&
      body.length >= LARGE_BODY && {
        onSent: (bytes) => progress.show(() => `sent ${formatBytes(bytes)} of ${formatBytes(body.length)}`),
      }),
  });
  try {
    const answer = await exchange(sending.client, request);
    const { status } = answer;
    outcome.status = status;
    outcome.fields = fieldsOf(answer.head);
    progress.clear();
    if (options.include) await stdout.write(answer.headBytes);
    const sink = options.json && options.output === undefined ? nowhere : await sinkOf(options.output, context);
    try {
      for await (const piece of answer.body()) {
        outcome.bytes += piece.length;
        await sink.write(piece);
      }
    } finally {
      await sink.close();
    }
    outcome.appStatus = (await answer.end).appStatus;
    tell();
    return exitOfStatus(status);
  } catch (error) {
    if (error instanceof FastCgiError && !signal.aborted) {
      outcome.error = error.message;
      tell();
    }
    throw error;
  } finally {
    progress.clear();
  }
}

/** The fields of a header block for JSON: a list where a name comes more than once. */
function fieldsOf({ fields }: CgiAnswer): Record<string, string | readonly string[]> {
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]));
}

/** Lines stay lines; a terminal gets no other control characters. */
function shownMessage(text: string, { isTerminal }: Output): string {
  return isTerminal ? text.split("\n").map(safeLine).join("\n") : text;
}

interface Sink {
  write(piece: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

const nowhere: Sink = { write: async () => {}, close: async () => {} };

/** Where the body of an answer goes. A named pipe takes no more than another process reads. */
async function sinkOf(path: string | undefined, { stdout, signal }: CommandContext): Promise<Sink> {
  if (path === undefined) return { write: (piece) => stdout.write(piece), close: async () => {} };
  const file = await openFile(path, "write", signal);
  return {
    write: (piece) => untilAborted(file.writeFile(piece), signal),
    // What is being written keeps it open.
    close: async () => void (await unlessAborted(file.close(), signal)),
  };
}
