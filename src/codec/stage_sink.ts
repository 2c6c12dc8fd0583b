import type { FastCgiRecord } from "../protocol/record.ts";
import { decodeRecords } from "./record_decoder.ts";
import type { RecordSink } from "./record_sink.ts";
import type { StageController } from "./stage.ts";

/** A sink that passes records to the output of an encoding stage. */
export function stageSink(output: StageController<FastCgiRecord>, isShared: () => boolean): RecordSink {
  return {
    get isShared() {
      return isShared();
    },
    write(records) {
      for (const record of records) output.enqueue(record);
      // Stryker disable next-line BooleanLiteral: only the client reads it, and has another sink
      return { hasLeft: true, taken: output.ready };
    },
    writeEncoded(bytes) {
      // A copy: the piece may be part of a block, and a program may transfer what it gets.
      return this.write(decodeRecords(new Uint8Array(bytes)));
    },
  };
}
