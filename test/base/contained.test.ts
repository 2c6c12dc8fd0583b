import { describe, expect, it } from "vitest";
import { contained } from "../../src/base/contained.ts";
import { type FastCgiRecord, RecordType, RequestDecoder, ResponseDecoder } from "../../src/toolkit.ts";
import { begin, params, record } from "../support/records.ts";
import { unhandledRejectionsOf } from "../support/unhandled_rejections.ts";

describe("contained", () => {
  it("contained passes arguments on", () => {
    const calls: unknown[] = [];
    const onEvent = contained("onEvent", (name: string, count: number) => calls.push([name, count]));
    onEvent("a", 1);
    onEvent("b", 2);
    expect(calls).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });

  it("contained does nothing when there is no callback", () => {
    expect(contained("onEvent", undefined)()).toBeUndefined();
    expect(contained("onEvent", null)()).toBeUndefined();
  });

  it("contained makes an unhandled rejection of what is thrown, as the runtime does of what rejects", async () => {
    for (const thrown of [new Error("The log is full"), undefined, "text"]) {
      const callbacks = [
        () => {
          throw thrown;
        },
        async () => {
          throw thrown;
        },
      ];
      for (const callback of callbacks) {
        let returned: unknown = "nothing yet";
        const unhandled = await unhandledRejectionsOf(async () => {
          returned = contained("onEvent", callback)();
        });
        expect([returned, unhandled]).toEqual([undefined, [thrown]]);
      }
    }
  });

  it("contained throws a TypeError that names the option when it is no function", () => {
    for (const [wrong, what] of [
      [0, "0"],
      ["text", '"text"'],
      [{}, "Object"],
    ] as const) {
      expect(() => contained("onEvent", wrong as never)).toThrow(
        new TypeError(`Cannot use onEvent: expected a function, got ${what}`),
      );
    }
  });
});

describe("the report of a decoder", () => {
  const thrown = new Error("The log is full");
  const report = (): never => {
    throw thrown;
  };

  it("RequestDecoder goes on when its report throws", async () => {
    const requests: unknown[] = [];
    const unhandled = await unhandledRejectionsOf(async () => {
      const decoder = new RequestDecoder({ reply() {}, report });
      const controller = { enqueue: (request: unknown): void => void requests.push(request) };
      const records = [record(RecordType.GetValuesResult, 0), begin(2), ...params(2, { REQUEST_METHOD: "GET" })];
      for (const piece of records) decoder.transform(piece, controller);
    });
    expect([requests.length, unhandled]).toEqual([1, [thrown]]);
  });

  it("ResponseDecoder goes on when its report throws", async () => {
    const unhandled = await unhandledRejectionsOf(async () => {
      const decoder = new ResponseDecoder({ report });
      const first = decoder.expect(1);
      const second = decoder.expect(2);
      const send = (piece: FastCgiRecord): void => void decoder.transform(piece, { enqueue() {} });
      send(record(RecordType.EndRequest, 1, new Uint8Array(8)));
      send(record(RecordType.Stdout, 1, "behind the end"));
      send(record(RecordType.EndRequest, 2, new Uint8Array(8)));
      expect(await Promise.all([first.end, second.end])).toHaveLength(2);
    });
    expect(unhandled).toEqual([thrown]);
  });
});
