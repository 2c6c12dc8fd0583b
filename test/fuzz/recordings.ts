import { type FastCgiRecord, RecordDecoder } from "../../src/toolkit.ts";
import { loadBackends, loadFrontends } from "../support/vectors.ts";

/** Longer ones take time and add nothing. */
const MAX_BYTES = 16 * 1024;

/** A recorded direction of a connection. */
export interface Recording {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The whole records in some bytes; none if they are of another version. */
export function wholeRecords(bytes: Uint8Array): FastCgiRecord[] {
  const records: FastCgiRecord[] = [];
  try {
    new RecordDecoder().transform(bytes, { enqueue: (record) => void records.push(record) });
  } catch {}
  return records;
}

function distinct(recordings: readonly Recording[]): Recording[] {
  const byContent = new Map(recordings.map((each) => [Buffer.from(each.bytes).toString("latin1"), each]));
  return [...byContent.values()].filter(({ bytes }) => bytes.length <= MAX_BYTES && wholeRecords(bytes).length > 0);
}

/** What web servers and the recording client have sent to applications. */
export function recordedRequests(): Recording[] {
  return distinct([
    ...loadFrontends().map(({ server, name, bytes }) => ({ name: `${server}/${name}`, bytes })),
    ...loadBackends().map(({ server, name, requestBytes }) => ({ name: `${server}/${name}`, bytes: requestBytes })),
  ]);
}

/** What applications have answered. */
export function recordedResponses(): Recording[] {
  return distinct(loadBackends().map(({ server, name, bytes }) => ({ name: `${server}/${name}`, bytes })));
}
