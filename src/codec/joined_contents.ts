import { MAX_CONTENT_LENGTH, RecordType } from "../protocol/constants.ts";
import type { FastCgiRecord } from "../protocol/record.ts";
import { isOfStream } from "./records.ts";
import type { StageController } from "./stage.ts";

/**
 * The longest content that is moved: PHP and libfcgi make records of 8 KiB. Each piece costs the reader of a stream some 5 µs, and moving
 * 8 KiB less than one. To move the 32 KiB of nginx's records costs as much as it saves, or more.
 */
const MAX_MOVED_LENGTH = 8 * 1024;

/** Joins the contents of consecutive records of one stream that lie in one chunk, by moving bytes over the headers between them. */
export class JoinedContents implements StageController<FastCgiRecord> {
  readonly #output: StageController<FastCgiRecord>;
  /** The last record, to which the next one may be added. */
  #last: FastCgiRecord | null = null;

  constructor(output: StageController<FastCgiRecord>) {
    this.#output = output;
  }

  /** Takes the next record. If it is of a stream, its content is a view of the chunk, which nothing else uses. */
  enqueue(record: FastCgiRecord): void {
    const joined = this.#last === null ? null : join(this.#last, record);
    if (joined === null) this.flush();
    this.#last = joined ?? record;
  }

  /** Passes the last record on. */
  flush(): void {
    const last = this.#last;
    this.#last = null;
    if (last !== null) this.#output.enqueue(last);
  }
}

/** Two records as one; null if they are not of one stream, the second is long, or one record can't be so long. */
function join(one: FastCgiRecord, next: FastCgiRecord): FastCgiRecord | null {
  const { type, requestId, contentData } = one;
  const added = next.contentData;
  if (type !== next.type || requestId !== next.requestId || !isOfStream(one)) return null;
  // Most applications write a message as one record of FCGI_STDERR.
  if (type === RecordType.Stderr) return null;
  // A record without content is the end of its stream.
  if (contentData.length === 0 || added.length === 0 || added.length > MAX_MOVED_LENGTH) return null;
  const length = contentData.length + added.length;
  if (length > MAX_CONTENT_LENGTH) return null;
  const joined = new Uint8Array(contentData.buffer, contentData.byteOffset, length);
  joined.set(added, contentData.length);
  return { type, requestId, contentData: joined, paddingLength: 0 };
}
