// What the client of every runtime is asked to do. Web standards only: a Worker does it too.

import * as core from "../../../../src/index.ts";
import { type ConnectionAddress, toStreams } from "../../../../src/toolkit.ts";
import { checkPiece, patternStream } from "../../programs/pattern_stream.ts";
import { settled } from "./settled.ts";

/** The connectors of an adapter; a Worker has no Unix sockets. */
export interface Connectors {
  FastCgiTcpConnector: { phpFpm(target: TcpTarget | string, script: string): core.FastCgiHttpConnector };
  FastCgiUnixConnector?: { phpFpm(path: string, script: string): core.FastCgiHttpConnector };
}

/** A port, of this machine unless there is a host. */
interface TcpTarget {
  readonly hostname?: string;
  readonly port: number;
}

/** Where the application listens. */
export type Target = TcpTarget | { readonly path: string };

/** Something to do, as JSON. */
export interface Operation {
  readonly do: keyof typeof operations;
  readonly target: Target;
  readonly script?: string;
  /** Of a Worker: connects by way of a binding, or with TLS. */
  readonly through?: "binding" | "TLS";
  /** Path and query. */
  readonly url?: string;
  /** Bytes of the pattern that are sent as the body; none without it. */
  readonly upload?: number;
  /** Bytes of the pattern that are a Filter's file. */
  readonly data?: number;
  /** Gives up behind the first piece of the response. */
  readonly abort?: boolean;
  /** Of `many` and `crowd`: requests in all, and at a time. */
  readonly count?: number;
  readonly atOnce?: number;
  /** Of `exchange`: what is sent before the connection is read to its end, or behind that. */
  readonly text?: string;
  readonly order?: "send first" | "read first";
  /** Of `fetch` and `holdOne`: uses the client that an earlier operation with this name made. */
  readonly client?: string;
  readonly options?: core.FastCgiHttpClientOptions;
}

/** How it went, as JSON. */
export interface Outcome {
  readonly status?: number;
  /** The body, where it is short. */
  readonly text?: string;
  /** Bytes of a body that is the pattern. */
  readonly bytes?: number;
  /** Bytes that were taken before everything stood still. */
  readonly stalledAt?: number;
  readonly variables?: Readonly<Record<string, string>>;
  /** Of a raw connection. */
  readonly remoteAddress?: ConnectionAddress | undefined;
  /** Of `many`: how many were answered as they should, and what some others got. */
  readonly answered?: number;
  readonly wrong?: readonly string[];
  readonly error?: string;
  /** Of `holdOne`: what the other request was answered, or why it failed. */
  readonly beside?: string;
}

const SHORT_BYTES = 1024;
let names = 0;

const operations = { fetch: fetchOnce, holdOne, authorize, stallReading, stallWriting, many, crowd, close, exchange };

/** Does it. What goes wrong is an outcome too. */
export async function operate(connectors: Connectors, operation: Operation): Promise<Outcome> {
  try {
    return await operations[operation.do](connectorOf(connectors, operation), operation);
  } catch (error) {
    return { error: nameOf(error) };
  }
}

function connectorOf({ FastCgiTcpConnector, FastCgiUnixConnector }: Connectors, what: Operation) {
  const { target, script = "/index.php" } = what;
  if ("port" in target) return FastCgiTcpConnector.phpFpm(target, script);
  // Who has no other connector might try this one.
  return (FastCgiUnixConnector ?? FastCgiTcpConnector).phpFpm(target.path, script);
}

function nameOf(error: unknown): string {
  return error instanceof core.FastCgiError ? `${error.code}: ${error.message}` : String(error);
}

function urlOf(path = "/"): string {
  return `http://localhost${path}`;
}

function uploadOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): RequestInit {
  return { method: "POST", body, duplex: "half" } as RequestInit;
}

/** Clients that later operations use too, by their names. */
const kept = new Map<string, core.FastCgiHttpClient>();

function clientOf(connector: core.FastCgiHttpConnector, { client: name, options }: Operation): core.FastCgiHttpClient {
  const known = name === undefined ? undefined : kept.get(name);
  const client = known ?? new core.FastCgiHttpClient(connector, options);
  if (name !== undefined) kept.set(name, client);
  return client;
}

/** One request. */
async function fetchOnce(connector: core.FastCgiHttpConnector, what: Operation): Promise<Outcome> {
  const { url, upload, data, abort = false } = what;
  const controller = new AbortController();
  const client = clientOf(connector, what);
  const response = await client.fetch(urlOf(url), {
    ...(upload !== undefined && uploadOf(patternStream(upload))),
    ...(data !== undefined && { data: { source: patternStream(data), length: data, lastModified: new Date(0) } }),
    signal: controller.signal,
  });
  return { status: response.status, ...(await read(response.body!.getReader(), () => abort && controller.abort())) };
}

/** Leaves a long response unread until another request has ended, which so needs a connection of its own. */
async function holdOne(connector: core.FastCgiHttpConnector, what: Operation): Promise<Outcome> {
  const client = clientOf(connector, what);
  const held = await client.fetch(urlOf("/long"));
  const beside = await client.fetch(urlOf()).then((response) => response.text(), nameOf);
  return { text: (await held.text()).trimEnd(), beside };
}

/** Reads to the end. What is long has to be the pattern. */
async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  onPiece: () => unknown = () => {},
): Promise<Outcome> {
  let [bytes, text] = [0, ""];
  for (let result = await reader.read(); !result.done; result = await reader.read()) {
    const piece = result.value;
    if (bytes + piece.length <= SHORT_BYTES) text += new TextDecoder().decode(piece);
    else checkPiece(piece, bytes);
    bytes += piece.length;
    onPiece();
  }
  return bytes <= SHORT_BYTES ? { text } : { bytes };
}

/** Asks an Authorizer. */
async function authorize(connector: core.FastCgiHttpConnector, { url, options }: Operation): Promise<Outcome> {
  const client = new core.FastCgiHttpClient(connector, options);
  const answer = await client.authorize(new Request(urlOf(url)));
  if (answer.allowed) return { variables: Object.fromEntries(answer.variables) };
  return { status: answer.response.status, ...(await read(answer.response.body!.getReader())) };
}

/** Does not read a response until the application sends no more; then reads it. */
async function stallReading(connector: core.FastCgiHttpConnector, { url, options }: Operation): Promise<Outcome> {
  const client = new core.FastCgiHttpClient(connector, options);
  const response = await client.fetch(urlOf(url));
  const reader = response.body!.getReader();
  const stalled = await client.fetch(urlOf("/stalled"));
  const stalledAt = Number(await stalled.text());
  return { stalledAt, ...(await read(reader)) };
}

/** Sends a body that is not read until no more of it is taken; then has it read. */
async function stallWriting(connector: core.FastCgiHttpConnector, { upload, options }: Operation): Promise<Outcome> {
  const client = new core.FastCgiHttpClient(connector, options);
  const id = `stalled-${++names}`;
  let sent = 0;
  const body = patternStream(upload!, (bytes) => {
    sent += bytes;
  });
  const answer = client.fetch(urlOf(`/hold?id=${id}`), uploadOf(body));
  const stalledAt = await settled(() => sent);
  await client.fetch(urlOf(`/release?id=${id}`));
  return { stalledAt, text: await (await answer).text() };
}

/** Many requests, some at a time. */
async function many(
  connector: core.FastCgiHttpConnector,
  { count = 0, atOnce = 1, options }: Operation,
): Promise<Outcome> {
  const client = new core.FastCgiHttpClient(connector, options);
  let [next, answered] = [0, 0];
  const wrong: string[] = [];
  const send = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      const body = "x".repeat(n % 100);
      const text = await client
        .fetch(urlOf(`/count?n=${n}`), { method: "POST", body })
        .then((response) => response.text())
        .catch(nameOf);
      if (text === `${n}: ${body.length}`) answered++;
      else if (wrong.length < 5) wrong.push(`${n}: ${text}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, send));
  const text = await (await client.fetch(urlOf("/counted"))).text();
  await client.close();
  return { answered, wrong, text };
}

/** Holds as many requests at once as can be, until one fails; gives the others up, and sends one more. */
async function crowd(connector: core.FastCgiHttpConnector, { count = 0, options }: Operation): Promise<Outcome> {
  const client = new core.FastCgiHttpClient(connector, options);
  const id = `crowd-${++names}`;
  const running = Array.from({ length: count }, () => client.fetch(urlOf(`/hold?id=${id}`)));
  const error = await Promise.race(running.map((answer) => answer.then(() => "answered", nameOf)));
  // A request that is given up makes room for the one that lets the others go.
  await client.close({ timeout: 0 });
  const outcomes = await Promise.all(running.map((answer) => answer.then(() => "answered", nameOf)));
  const wrong = outcomes.filter(
    (outcome) =>
      outcome !== error && !outcome.startsWith("connectionClosed: Cannot finish the request: the client closes"),
  );
  const next = new core.FastCgiHttpClient(connector);
  await next.fetch(urlOf(`/release?id=${id}`));
  const text = await (await next.fetch(urlOf("/"))).text();
  return { error, wrong: wrong.slice(0, 5), text };
}

/** Closes the client while a request runs. */
async function close(connector: core.FastCgiHttpConnector, { options }: Operation): Promise<Outcome> {
  const client = new core.FastCgiHttpClient(connector, options);
  const id = `closing-${++names}`;
  const running = client.fetch(urlOf(`/hold?id=${id}`));
  while (client.status.active === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const closed = client.close();
  const error = await client.fetch(urlOf("/")).then(() => "answered", nameOf);
  await new core.FastCgiHttpClient(connector, options).fetch(urlOf(`/release?id=${id}`));
  const text = await (await running).text();
  await closed;
  return { text, error };
}

/** Uses a connection itself, without FastCGI: half-closes behind what it sends. */
async function exchange(connector: core.FastCgiHttpConnector, { text: words, order }: Operation): Promise<Outcome> {
  const connection = toStreams(await connector.connect({ signal: new AbortController().signal }));
  const send = async (): Promise<void> => {
    const writer = connection.writable.getWriter();
    await writer.write(new TextEncoder().encode(words));
    await writer.close();
  };
  try {
    if (order === "send first") await send();
    // Held while others are read: no two pieces may share their bytes.
    const pieces: Uint8Array[] = [];
    const reader = connection.readable.getReader();
    for (let result = await reader.read(); !result.done; result = await reader.read()) pieces.push(result.value);
    if (order === "read first") await send();
    const text = pieces.map((piece) => new TextDecoder().decode(piece)).join("");
    return { text, remoteAddress: connection.remoteAddress };
  } finally {
    await connection.close();
  }
}
