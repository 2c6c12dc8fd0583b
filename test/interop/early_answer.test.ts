import { expect, it, onTestFinished } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import { RecordType } from "../../src/toolkit.ts";
import { joined } from "../support/bytes.ts";
import { httpRequest } from "../support/http.ts";
import { fastCgiLocation, startNginx } from "../support/nginx.ts";
import { patternChunks } from "../support/pattern.ts";
import { RawConnection } from "../support/raw_connection.ts";
import { begin, bytesOf, params, record, recordsIn } from "../support/records.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

// nginx stops in the middle of a record when it has the answer to a request that it is still sending. Nothing is wrong then:
// the application did not wait for the rest.

failOnUnhandledRejections();

it.each([
  ["closes", false],
  ["keeps", true],
])(
  "onError is told nothing when a web server that %s connections stops sending a body that was answered",
  async (_, keepConn) => {
    const errors: unknown[] = [];
    const server = await serve({
      port: 0,
      fetch: () => new Response("enough"),
      onError: (error) => errors.push(error),
    });
    const web = await RawConnection.open({ port: (server.address as { port: number }).port });
    const head = bytesOf(begin(1, { keepConn }), params(1, { REQUEST_METHOD: "POST", CONTENT_LENGTH: "100000" }));
    // A record of 60,000 bytes, of which 1,000 are sent.
    const started = bytesOf(record(RecordType.Stdin, 1, new Uint8Array(60_000))).subarray(0, 1008);
    await web.write(joined(head, started));
    await web.readUntil((received) => recordsIn(received).some(({ type }) => type === RecordType.EndRequest));
    web.close();
    await server.close();
    expect(errors).toEqual([]);
  },
);

it.each([true, false])(
  "nginx sends no more of a body once it has the header of the response, whose client sees that it is broken (buffering: %s)",
  async (buffering) => {
    const total = 8 * 1024 * 1024;
    const errors: unknown[] = [];
    const server = await serve({
      port: 0,
      readTimeout: 1000,
      onError: (error) => void errors.push(error),
      // Its header leaves with the first piece of the body, long before the last has come.
      fetch: (request) => new Response(request.body),
    });
    onTestFinished(() => server.close({ timeout: 1 }));
    const nginx = await startNginx({
      locations: [
        fastCgiLocation(`127.0.0.1:${(server.address as { port: number }).port}`, {
          buffering,
          requestBuffering: false,
        }),
      ],
    });
    onTestFinished(() => nginx.stop());
    const headers = { "content-length": total };
    await expect(httpRequest(nginx.url, { method: "POST", headers, body: patternChunks(total) })).rejects.toThrow();
    expect(errors).toMatchObject([{ code: "timeout", limit: "readTimeout" }]);
  },
);
