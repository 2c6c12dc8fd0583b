import type { FastCgiRecord } from "../protocol/record.ts";
import type { RecordSink, WrittenRecords } from "./record_sink.ts";
import type { StageController } from "./stage.ts";

const TAKEN: WrittenRecords = { hasLeft: true, taken: /* @__PURE__ */ Promise.resolve() };

/** A sink that passes records to the output of an encoding stage. */
export class StageSink implements RecordSink {
  readonly #controller: StageController<FastCgiRecord>;
  readonly #isShared: () => boolean;

  constructor(controller: StageController<FastCgiRecord>, isShared: () => boolean) {
    this.#controller = controller;
    this.#isShared = isShared;
  }

  get isShared(): boolean {
    return this.#isShared();
  }

  write(records: readonly FastCgiRecord[]): WrittenRecords {
    for (const record of records) this.#controller.enqueue(record);
    const { ready } = this.#controller;
    return ready === undefined ? TAKEN : { hasLeft: true, taken: ready };
  }
}
