// The status of a server: what it counts while requests wait, run, are aborted and end.

import { describe, expect, it } from "vitest";
import { type FastCgiResponse, type FastCgiServerStatus, RecordType } from "../../src/toolkit.ts";
import { latin1 } from "../support/bytes.ts";
import { pass, useFakeTime } from "../support/fake_time.ts";
import { deferred, OpenStream } from "../support/open_stream.ts";
import { begin, params, record, request, stdin } from "../support/records.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";
import { MemoryApplication } from "../support/web_server_end.ts";

failOnUnhandledRejections();
useFakeTime();

const ok = (): FastCgiResponse => ({ stdout: latin1("Status: 200 OK\r\n\r\n") });

type Counted = Omit<FastCgiServerStatus, "startTime">;

/** The numbers of a status, in the order in which a request goes through them. */
function counted({ server }: MemoryApplication): [connections: number, idle: number, waiting: number, active: number] {
  const { startTime: _, connections, idle, waiting, active }: Counted & { startTime: number } = server.status;
  return [connections, idle, waiting, active];
}

describe("FastCgiServer.status", () => {
  it("has no connection and no request when the server is new, and the time of that", async () => {
    const began = performance.now();
    const { server } = new MemoryApplication(ok);
    await pass(5000);
    expect(server.status).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0, startTime: began });
  });

  it("counts a request while its variables are coming, while it runs, and no more when it was answered", async () => {
    const release = deferred();
    const application = new MemoryApplication(() => release.promise.then(ok));
    const { web } = application.connect();
    application.connect();
    expect(counted(application)).toEqual([2, 2, 0, 0]);
    await web.send(begin(1));
    await turns();
    expect(counted(application)).toEqual([2, 1, 1, 0]);
    await web.send(params(1, {}));
    await turns();
    expect(counted(application)).toEqual([2, 1, 0, 1]);
    await web.send(stdin(1), request(2), begin(3));
    await turns();
    expect(counted(application)).toEqual([2, 1, 1, 2]);
    release.resolve();
    await Promise.all([web.answer(1), web.answer(2)]);
    await turns();
    expect(counted(application)).toEqual([2, 1, 1, 0]);
    await web.end();
    await turns();
    expect(counted(application)).toEqual([1, 1, 0, 0]);
  });

  it("counts a request until its response has been sent", async () => {
    const body = new OpenStream();
    const application = new MemoryApplication(() => ({ stdout: [latin1("Status: 200 OK\r\n\r\n"), body.stream] }));
    const { web } = application.connect();
    await web.send(request(1));
    await body.pulled();
    expect(counted(application)).toEqual([1, 0, 0, 1]);
    body.close();
    await web.answer(1);
    await turns();
    expect(counted(application)).toEqual([1, 1, 0, 0]);
  });

  it("counts a handler until it settles when the web server has aborted its request, or has gone", async () => {
    const release = deferred();
    const application = new MemoryApplication(() => release.promise.then(ok));
    const [aborting, leaving] = [application.connect(), application.connect()];
    await aborting.web.send(request(1), begin(2));
    await leaving.web.send(request(1), begin(2));
    await aborting.web.send(record(RecordType.AbortRequest, 1), record(RecordType.AbortRequest, 2));
    await leaving.web.end();
    await turns();
    expect(counted(application)).toEqual([1, expect.any(Number), 0, 2]);
    release.resolve();
    await turns();
    expect(counted(application)).toEqual([1, 1, 0, 0]);
  });

  it("counts nothing of a request that the library has answered, or whose handler failed", async () => {
    const application = new MemoryApplication(
      () => {
        throw new Error("broken");
      },
      { maxParamsBytes: 100 },
    );
    const { web } = application.connect();
    await web.send(begin(1), params(1, { LONG: "x".repeat(200) }), begin(2, { role: 9 }));
    await web.send(begin(3), params(3, {}), stdin(3));
    await Promise.all([1, 2, 3].map((id) => web.answer(id)));
    await turns();
    expect(counted(application)).toEqual([1, 1, 0, 0]);
  });

  it("counts what a close waits for, and nothing when that has resolved", async () => {
    const release = deferred();
    const application = new MemoryApplication(({ requestId }) =>
      requestId === 1 ? release.promise.then(ok) : new Promise(() => {}),
    );
    const [finishing, hanging] = [application.connect(), application.connect()];
    await finishing.web.send(request(1));
    await hanging.web.send(request(2));
    const closed = application.server.close({ grace: 0, timeout: 1000 });
    await turns();
    expect(counted(application)).toEqual([2, 0, 0, 2]);
    release.resolve();
    await finishing.web.closed();
    await finishing.web.end();
    await turns();
    expect(counted(application)).toEqual([1, 0, 0, 1]);
    await pass(2000);
    await closed;
    expect(counted(application)).toEqual([0, 0, 0, 0]);
  });
});
