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
      return { hasLeft: true, taken: output.ready };
    },
    writeEncoded(bytes) {
      return this.write(decodeRecords(bytes));
    },
  };
}
