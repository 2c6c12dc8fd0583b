import { FCGI_NULL_REQUEST_ID, RecordType } from "../protocol/constants.ts";
import { protocolError } from "../protocol/errors.ts";
import { decodeNameValuePairs, encodeNameValuePairs } from "../protocol/name_value_pairs.ts";
import type { FastCgiRecord } from "../protocol/record.ts";

/** FCGI_GET_VALUES and its answer (FastCGI 4.1). */
export class ValuesQuestion {
  readonly record: FastCgiRecord;
  readonly answer: Promise<Map<string, string>>;
  #resolve!: (values: Map<string, string>) => void;
  #reject!: (reason: unknown) => void;

  constructor(names: readonly string[]) {
    const contentData = encodeNameValuePairs(names.map((name) => [name, ""]));
    // libfcgi reads more before it answers, so it would never answer a question without padding. The encoder pads to
    // eight.
    const paddingLength = -contentData.length & 7 || 8;
    this.record = { type: RecordType.GetValues, requestId: FCGI_NULL_REQUEST_ID, contentData, paddingLength };
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Called with a management record. Only the first counts, because Go sends a second, empty answer. */
  take({ type, contentData }: FastCgiRecord): void {
    if (type === RecordType.GetValuesResult) this.#resolve(new Map(decodeNameValuePairs(contentData)));
    else this.fail(protocolError("Cannot get values: the application does not know FCGI_GET_VALUES"));
  }

  /** Called when there will be no answer. */
  fail(reason: unknown): void {
    this.#reject(reason);
  }
}
