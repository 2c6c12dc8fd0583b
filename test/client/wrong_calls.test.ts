import { expect, it } from "vitest";
import {
  FastCgiClient,
  FastCgiHttpClient,
  type FastCgiHttpParams,
  type FastCgiRequestInit,
  type NameValuePair,
  RecordType,
} from "../../src/toolkit.ts";
import { closingClients } from "../support/closing_clients.ts";
import { OpenStream } from "../support/open_stream.ts";
import { record } from "../support/records.ts";
import { answer, answering, ScriptedConnector } from "../support/scripted_application.ts";
import { textFrom } from "../support/streams.ts";
import { failOnUnhandledRejections, turns } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const closing = closingClients();

/** An application that answers with the variables that it got. */
function echoing(): ScriptedConnector {
  return new ScriptedConnector(answering(({ paramPairs }) => `X-A: 1\r\n\r\n${JSON.stringify(paramPairs)}`));
}

const right: NameValuePair[] = [["REQUEST_METHOD", "GET"]];

it.each([false, true])(
  "FastCgiClient.send refuses what can't be sent, and sends what follows (keepAlive: %s)",
  async (keepAlive) => {
    const connector = echoing();
    const client = closing(new FastCgiClient(connector, { keepAlive }));
    const wrong: [request: unknown, message: string][] = [
      [{ params: [["SERVER_PORT", 8080]] }, 'Cannot send the variable "SERVER_PORT": expected a string, got number'],
      [
        { params: [...right, ["REMOTE_ADDR", { address: "::1" }]] },
        'Cannot send the variable "REMOTE_ADDR": expected a string, got Object',
      ],
      [{ params: new Map([["A", undefined]]) }, 'Cannot send the variable "A": expected a string, got undefined'],
      [{}, "Cannot send the request: expected params to be pairs [name, value] or a Map, got undefined"],
      [
        { params: { A: "b" } },
        "Cannot send the request: expected params to be pairs [name, value] or a Map, got Object",
      ],
      [{ params: "A=b" }, 'Cannot send the request: expected params to be pairs [name, value] or a Map, got "A=b"'],
      [
        { params: ["Ab"] },
        "Cannot send the request: expected params to be pairs [name, value] or a Map, got something else in it",
      ],
      [
        { params: right, role: "Responder" },
        'Cannot send the request: expected role to be an integer from 1 to 65535, got "Responder"',
      ],
      [{ params: right, role: 0 }, "Cannot send the request: expected role to be an integer from 1 to 65535, got 0"],
      [{ params: right, onStderr: "log" }, 'Cannot use onStderr: expected a function, got "log"'],
      [
        { params: right, stdin: 5 },
        "Cannot send stdin: expected text, bytes, a Blob, URLSearchParams, a stream or an async iterable, got number",
      ],
      [
        { params: right, data: {} },
        "Cannot send data: expected text, bytes, a Blob, URLSearchParams, a stream or an async iterable, got Object",
      ],
      [{ params: right, signal: {} }, "Cannot send the request: expected signal to be an AbortSignal, got Object"],
    ];
    for (const [request, message] of wrong) {
      const before = connector.connections.length;
      await expect(client.send(request as FastCgiRequestInit)).rejects.toThrow(new TypeError(message));
      expect(connector.connections.length, message).toBe(before);
      const { stdout } = await client.send({ params: right });
      expect(await textFrom(stdout)).toContain(JSON.stringify(right));
    }
  },
);

it("FastCgiClient.send and FastCgiHttpClient take null for no onStderr", async () => {
  const scripted = (): ScriptedConnector =>
    new ScriptedConnector(async (application) => {
      await application.request();
      await application.send(record(RecordType.Stderr, 1, "message"), answer(1, "X-A: 1\r\n\r\nanswer"));
    });
  const client = closing(new FastCgiClient(scripted()));
  const { stdout, stderr } = await client.send({ params: right, onStderr: null as never });
  expect(await textFrom(stdout)).toContain("answer");
  expect(await textFrom(stderr)).toBe("message");
  const connector = Object.assign(scripted(), { onStderr: null as never });
  const http = closing(new FastCgiHttpClient(connector, { onStderr: null as never }));
  expect(await (await http.fetch("http://a.test/")).text()).toBe("answer");
});

it("FastCgiClient.send cancels the body of a request that can't be sent", async () => {
  const client = closing(new FastCgiClient(echoing()));
  const body = new OpenStream();
  const params = [["A", 1]] as unknown as NameValuePair[];
  await expect(client.send({ params, stdin: body.stream })).rejects.toThrow(TypeError);
  await turns();
  expect(body.cancelled).toBeInstanceOf(TypeError);
});

it("FastCgiHttpClient refuses a variable that is not a string, and sends what follows", async () => {
  const fresh = (params?: FastCgiHttpParams): FastCgiHttpClient => {
    return closing(new FastCgiHttpClient(echoing(), params && { params }));
  };
  const first = fresh();
  const wrong: [init: object, variable: string][] = [
    [{ params: { SERVER_PORT: 8080 } }, "SERVER_PORT"],
    [{ params: { A: undefined } }, "A"],
    [{ params: [["B", null]] }, "B"],
    // What requestIP() of Bun's server gives.
    [{ remoteAddress: { address: "::1", family: "IPv6", port: 4000 } }, "REMOTE_ADDR"],
    [{ serverAddress: 1 }, "SERVER_ADDR"],
  ];
  for (const [init, variable] of wrong) {
    const error = await first.fetch("http://a.test/", init).catch((reason: unknown) => reason);
    expect(error, variable).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain(variable);
    // Whichever client it is.
    for (const client of [first, fresh()]) {
      expect(await (await client.fetch("http://a.test/")).text()).toContain('["SERVER_PORT","80"]');
    }
  }
  await expect(fresh({ SERVER_PORT: 8080 as never }).fetch("http://a.test/")).rejects.toThrow(/"SERVER_PORT"/);
});
