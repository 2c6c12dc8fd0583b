import type { FastCgiRecord } from "../protocol/record.ts";
import type { RecordSink, WrittenRecords } from "./record_sink.ts";
import type { StageController } from "./stage.ts";

const TAKEN: WrittenRecords = { hasLeft: true, taken: /* @__PURE__ */ Promise.resolve() };

/** A sink that passes records to the output of an encoding stage. */
export function stageSink(output: StageController<FastCgiRecord>, isShared: () => boolean): RecordSink {
  return {
    get isShared() {
      return isShared();
    },
    write(records) {
      for (const record of records) output.enqueue(record);
      const { ready } = output;
      return ready === undefined ? TAKEN : { hasLeft: true, taken: ready };
    },
  };
}
