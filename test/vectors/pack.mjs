/**
 * Packs a folder of recordings into `frontends/*.br` and `backends/*.br`, one file per recorded server; README.md
 * describes both ends.
 *
 *     node test/vectors/pack.mjs <captures folder>
 *
 * The output depends on the recordings and on Node's brotli alone: names are sorted, nothing is dated. A recording whose
 * bytes do not have their recorded digest is refused, and so is one that names a private path of the recording machine.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gunzipSync } from "node:zlib";

const PRIVATE_PATH = /\/(?:work|tmp|root|home)\b/;
const NO_BYTES = sha256Of("");
const here = import.meta.dirname;

function sha256Of(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Byte strings back to back; equal ones are stored once. */
class Blobs {
  #chunks = [];
  #length = 0;
  #offsets = new Map();

  /** Reads a file of the recordings and returns where its bytes are: `[offset, length]`. */
  add(path, length, sha256) {
    const file = readFileSync(path);
    const bytes = path.endsWith(".gz") ? gunzipSync(file) : file;
    const digest = sha256Of(bytes);
    if (bytes.length !== length || digest !== sha256) {
      throw new Error(
        `Cannot pack ${path}: expected ${length} bytes, ${sha256}, found ${bytes.length} bytes, ${digest}`,
      );
    }
    if (!this.#offsets.has(digest)) {
      this.#offsets.set(digest, this.#length);
      this.#chunks.push(bytes);
      this.#length += length;
    }
    return [this.#offsets.get(digest), length];
  }

  concat() {
    return Buffer.concat(this.#chunks);
  }
}

/** What `expected` says of the connection; the rest of it is about one request or response. */
const CONNECTION_FACTS = new Set([
  "recordCount",
  "recordTypesSeen",
  "records",
  "padding",
  "interleaved",
  "trailingBytes",
  "management",
  "recordsAfterLastEndRequest",
]);

/** The recordings hold one request (or response) in `expected` itself and any other number in `expected.list`. */
function split({ list, requests: _requests, responses: _responses, ...facts }) {
  const entries = Object.entries(facts);
  const connection = Object.fromEntries(entries.filter(([key]) => CONNECTION_FACTS.has(key)));
  const single = Object.fromEntries(entries.filter(([key]) => !CONNECTION_FACTS.has(key)));
  return { connection: { ...connection, management: facts.management ?? [] }, exchanges: list ?? [single] };
}

/** The recorder cut a long list of reads and put a remark at its end; a list that lacks reads is of no use. */
function wholeList(reads) {
  return reads.some((read) => typeof read === "string") ? null : reads;
}

function packFrontend(name, recording, blobs, folder) {
  const { server, version, note, case: caseName, encodingOfStrings, file, expected, ...rest } = recording;
  const { noTraffic, frontendCrashed, connection, connections, transport, ...traffic } = rest;
  const { bytes, sha256, readChunks, events, ...client } = traffic;
  const hadTraffic = noTraffic === undefined;
  return {
    name,
    case: caseName,
    client,
    noTraffic: noTraffic ?? null,
    frontendCrashed: frontendCrashed ?? null,
    connection: connection ?? 0,
    connections: connections ?? 0,
    transport: transport ?? null,
    bytes: hadTraffic ? blobs.add(join(folder, file), bytes, sha256) : [0, 0],
    sha256: sha256 ?? NO_BYTES,
    readChunks: wholeList(readChunks ?? []),
    events: events ?? [],
    expected: hadTraffic ? packFrontendExpected(expected) : null,
  };
}

function packFrontendExpected(expected) {
  const { connection, exchanges } = split(expected);
  const requests = exchanges.map(({ params, paramsList, stdin, ...request }) => ({
    ...request,
    stdin: stdin ?? (request.stdinBytes === 0 ? "" : null),
    // An object can't say a name twice, so the list is what is kept; the loader makes the object from it.
    paramsList: paramsList ?? Object.entries(params),
  }));
  return { ...connection, requests };
}

function packBackend(name, recording, blobs, folder) {
  const { requestFile, responseFile, requestBytes, requestSha256, bytes, sha256 } = recording;
  return {
    name,
    case: recording.case,
    what: recording.what,
    transport: recording.transport,
    requestBytes: blobs.add(join(folder, requestFile), requestBytes, requestSha256),
    requestSha256,
    steps: recording.steps,
    bytes: blobs.add(join(folder, responseFile), bytes, sha256),
    sha256,
    readChunks: wholeList(recording.readChunksMsAndSize),
    connectionEvents: recording.connectionEvents,
    peerClosed: recording.peerClosed,
    expected: packBackendExpected(recording.expected),
  };
}

function packBackendExpected(expected) {
  const { connection, exchanges } = split(expected);
  const absent = {
    protocolStatusName: null,
    endReservedNonZero: null,
    stdout: null,
    head: null,
    headSeparator: null,
    bodyBytes: null,
    bodySha256: null,
  };
  const responses = exchanges.map((response) => ({ ...absent, ...response }));
  return { recordsAfterLastEndRequest: [], ...connection, responses };
}

function packServer(folder, packCase) {
  const blobs = new Blobs();
  const cases = [];
  let server;
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".json")) continue;
    const recording = JSON.parse(readFileSync(join(folder, file), "utf8"));
    server = { server: recording.server, version: recording.version, note: recording.note ?? "" };
    cases.push(packCase(file.slice(0, -".json".length), recording, blobs, folder));
  }
  const packed = Buffer.concat([Buffer.from(`${JSON.stringify({ ...server, cases })}\n`), blobs.concat()]);
  const found = PRIVATE_PATH.exec(packed.toString("latin1"));
  if (found) throw new Error(`Cannot pack ${folder}: it names "${found[0]}"`);
  return { packed, cases: cases.length };
}

function compress(packed) {
  return brotliCompressSync(packed, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      // 16 MiB: a body that many cases of a server carry is found again and costs nothing.
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: packed.length,
    },
  });
}

const [captures] = process.argv.slice(2);
if (captures === undefined || !existsSync(join(captures, "frontends"))) {
  throw new Error("Cannot pack: give the folder that holds frontends/ and backends/");
}
for (const [side, packCase] of [
  ["frontends", packFrontend],
  ["backends", packBackend],
]) {
  rmSync(join(here, side), { recursive: true, force: true });
  mkdirSync(join(here, side));
  for (const server of readdirSync(join(captures, side)).sort()) {
    const { packed, cases } = packServer(join(captures, side, server), packCase);
    const file = compress(packed);
    writeFileSync(join(here, side, `${server}.br`), file);
    console.log(`${side}/${server}.br: ${cases} cases, ${packed.length} bytes packed to ${file.length}`);
  }
}
