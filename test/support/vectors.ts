/**
 * Loads the recorded conversations of `test/vectors`: what real web servers sent, what real applications answered, and
 * what an independent decoder read in both. README.md there has their origin and the file format.
 *
 * Every string that came off the wire is latin-1: one character is one byte.
 */
import { readdirSync, readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

/** Equal records in a row: type name (or number, as a string), request id, content and padding length; how many. */
export type RecordRun = readonly [
  record: readonly [type: string, requestId: number, contentLength: number, paddingLength: number],
  count: number,
];

/** Equal records of one stream in a row. */
export type StreamRecordRun = readonly [
  lengths: readonly [contentLength: number, paddingLength: number],
  count: number,
];

/** A record with request id 0. */
export interface ExpectedManagementRecord {
  readonly type: string;
  /** Its place among all records of the connection. */
  readonly recordIndex: number;
  /** GET_VALUES and GET_VALUES_RESULT. */
  readonly values?: Readonly<Record<string, string>>;
  /** UNKNOWN_TYPE: the type that the application did not know. */
  readonly unknownType?: number;
}

/** What the independent decoder read on one connection, in one direction. */
export interface ExpectedConnection {
  readonly recordCount: number;
  readonly recordTypesSeen: readonly string[];
  readonly records: readonly RecordRun[];
  readonly padding: {
    /** Padding length to number of records. */
    readonly lengths: Readonly<Record<string, number>>;
    readonly alwaysAlignedTo8: boolean;
    readonly recordsWithNonZeroPaddingBytes: number;
    readonly recordsWithNonZeroReservedByte: number;
  };
  /** Whether records of one request came between records of another. */
  readonly interleaved: boolean;
  /** Bytes after the last whole record. */
  readonly trailingBytes: number;
  readonly management: readonly ExpectedManagementRecord[];
}

/** One request of a web server. */
export interface ExpectedRequest {
  readonly requestId: number;
  readonly role: string;
  readonly roleNumber: number;
  readonly flags: number;
  readonly keepConn: boolean;
  readonly beginReservedNonZero: boolean;
  readonly paramsRecords: readonly StreamRecordRun[];
  readonly stdinRecords: readonly StreamRecordRun[];
  /** Whether the empty PARAMS record came. */
  readonly paramsClosed: boolean;
  /** Whether the empty STDIN record came. */
  readonly stdinClosed: boolean;
  readonly abortRequestSeen: boolean;
  readonly paramsBytes: number;
  readonly paramsCount: number;
  /** All pairs in the order sent, duplicates included. */
  readonly paramsList: readonly (readonly [name: string, value: string])[];
  /** The pairs by name; of a name that came more than once, the last value. */
  readonly params: Readonly<Record<string, string>>;
  readonly duplicateParamNames: readonly string[];
  /** Lengths sent in the 4-byte form. */
  readonly fourByteLengths: number;
  /** Lengths sent in the 4-byte form that would have fitted in one byte. */
  readonly fourByteLengthsBelow128: number;
  readonly method: string | null;
  readonly requestUri: string | null;
  /** CONTENT_LENGTH as sent: may be "" or "-1"; null when there was none. */
  readonly contentLength: string | null;
  readonly stdinBytes: number;
  readonly stdinSha256: string;
  /** The body, or null when it is longer than 256 bytes. */
  readonly stdin: string | null;
}

/** What one web server sent on one connection. */
export interface ExpectedRequests extends ExpectedConnection {
  /** In the order of their BEGIN_REQUEST. */
  readonly requests: readonly ExpectedRequest[];
}

/** One response of an application. */
export interface ExpectedResponse {
  readonly requestId: number;
  readonly stdoutRecords: readonly StreamRecordRun[];
  readonly stderrRecords: readonly StreamRecordRun[];
  /** Whether the empty STDOUT record came. */
  readonly stdoutClosed: boolean;
  /** Whether the empty STDERR record came. */
  readonly stderrClosed: boolean;
  /** Whether END_REQUEST came; the next four are null when not. */
  readonly ended: boolean;
  readonly appStatus: number | null;
  readonly protocolStatus: number | null;
  readonly protocolStatusName: string | null;
  readonly endReservedNonZero: boolean | null;
  /** Record types of this response in the order sent, equal ones in a row counted. */
  readonly order: readonly (readonly [type: string, count: number])[];
  readonly stdoutBytes: number;
  readonly stdoutSha256: string;
  /** The whole of STDOUT, or null when it is longer than 4096 bytes. */
  readonly stdout: string | null;
  /** STDOUT before its first empty line; this and the next three are null without one, or with 20 kB before it. */
  readonly head: string | null;
  /** `\r\n\r\n`, or `\n\n` when STDOUT holds no `\r\n\r\n` at all. */
  readonly headSeparator: string | null;
  readonly bodyBytes: number | null;
  readonly bodySha256: string | null;
  /** The first 8192 bytes of STDERR. */
  readonly stderr: string;
  readonly stderrBytes: number;
}

/** What one application sent on one connection. */
export interface ExpectedResponses extends ExpectedConnection {
  /** In the order of their first record; empty when the application sent none. */
  readonly responses: readonly ExpectedResponse[];
  readonly recordsAfterLastEndRequest: readonly (readonly [type: string, requestId: number, contentLength: number])[];
}

interface RecordedCase {
  /** The folder of the recording: server and set-up. */
  readonly server: string;
  readonly version: string;
  /** The set-up in words; "" for backends. */
  readonly note: string;
  /** Unique within the server: the case, and `-c2`, `-c3` … for its further connections. */
  readonly name: string;
  readonly case: string;
  /** Every byte that the recorded program sent on the connection. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** One connection from a web server to the recording application. */
export interface FrontendCase extends RecordedCase {
  /** Why nothing was sent; null when something was. */
  readonly noTraffic: string | null;
  /** How the web server died in this case; null when it lived. */
  readonly frontendCrashed: string | null;
  /** Which connection of the case, from 1, in the order of accept(); 0 with `noTraffic`. */
  readonly connection: number;
  readonly connections: number;
  readonly transport: "tcp" | "unix" | "fd" | null;
  /** The HTTP client's side: `curl` or `rawClient`, and what it saw (`http`); `cgi-fcgi` has its environment instead. */
  readonly client: Readonly<Record<string, unknown>>;
  /** Sizes as recv() returned them; null when the recorder cut the list. */
  readonly readChunks: readonly number[] | null;
  readonly events: readonly (readonly [ms: number, what: string, ...facts: unknown[]])[];
  /** Null with `noTraffic`. */
  readonly expected: ExpectedRequests | null;
}

/** What the recording client did, in order; `send` gives offset and length in `requestBytes`. */
export type BackendStep =
  | { readonly send: readonly [offset: number, length: number] }
  | { readonly sleepMs: number }
  | { readonly waitForEndRequests: number }
  | { readonly halfClose: true }
  | { readonly readUntil: string };

/** One connection from the recording client to an application. */
export interface BackendCase extends RecordedCase {
  /** What is special about the request; "" when the name says it. */
  readonly what: string;
  readonly transport: "tcp" | "unix";
  /** Every byte sent to the application: malformed in many cases. */
  readonly requestBytes: Uint8Array<ArrayBuffer>;
  readonly requestSha256: string;
  readonly steps: readonly BackendStep[];
  /** When and how much recv() returned; null when the recorder cut the list. */
  readonly readChunks: readonly (readonly [ms: number, size: number])[] | null;
  readonly connectionEvents: readonly (readonly [ms: number, what: string])[];
  /** False: the application kept the connection open until the client gave up. */
  readonly peerClosed: boolean;
  readonly expected: ExpectedResponses;
}

/** Where the bytes are in the file: offset and length. */
type Packed = readonly [number, number];
type PackedRequest = Omit<ExpectedRequest, "params">;
type PackedFrontend = Omit<FrontendCase, "bytes" | "expected"> & {
  readonly bytes: Packed;
  readonly expected: (ExpectedConnection & { readonly requests: readonly PackedRequest[] }) | null;
};
type PackedBackend = Omit<BackendCase, "bytes" | "requestBytes"> & {
  readonly bytes: Packed;
  readonly requestBytes: Packed;
};

let frontends: readonly FrontendCase[] | undefined;
let backends: readonly BackendCase[] | undefined;

/** All recorded front-end connections. The byte arrays are views of shared memory: do not write to them. */
export function loadFrontends(): readonly FrontendCase[] {
  frontends ??= loadFolder<PackedFrontend, FrontendCase>("frontends", ({ bytes, expected, ...facts }, slice) => ({
    ...facts,
    bytes: slice(bytes),
    expected: expected && { ...expected, requests: expected.requests.map(addParams) },
  }));
  return frontends;
}

/** All recorded backend connections. The byte arrays are views of shared memory: do not write to them. */
export function loadBackends(): readonly BackendCase[] {
  backends ??= loadFolder<PackedBackend, BackendCase>("backends", ({ bytes, requestBytes, ...facts }, slice) => ({
    ...facts,
    bytes: slice(bytes),
    requestBytes: slice(requestBytes),
  }));
  return backends;
}

function addParams(request: PackedRequest): ExpectedRequest {
  return { ...request, params: Object.fromEntries(request.paramsList) };
}

type Slice = (packed: Packed) => Uint8Array<ArrayBuffer>;

/** Unpacks every server of a folder: a line of JSON, then the byte strings that the JSON points into. */
function loadFolder<In, Out>(side: string, unpack: (packed: In, slice: Slice) => Out): readonly Out[] {
  const folder = new URL(`../vectors/${side}/`, import.meta.url);
  return readdirSync(folder)
    .sort()
    .flatMap((file) => {
      const content = brotliDecompressSync(readFileSync(new URL(file, folder)));
      const endOfJson = content.indexOf("\n");
      const { cases, ...server } = JSON.parse(content.toString("utf8", 0, endOfJson)) as { cases: readonly In[] };
      // A copy, because a test that compares with toEqual() must meet no Buffer.
      const blob = new Uint8Array(content.subarray(endOfJson + 1));
      return cases.map((packed) =>
        unpack({ ...server, ...packed }, ([offset, length]) => blob.subarray(offset, offset + length)),
      );
    });
}
