// Cases: clients that leave, and uploads that are answered before they end. The latter come last: HAProxy keeps their sessions.

import { abortMidResponse, httpRequest } from "../../support/http.ts";
import { patternBytes, patternChunks } from "../../support/pattern.ts";
import { type Case, within } from "./case.ts";

const MiB = 1024 * 1024;

export const leavingCases: readonly Case[] = [
  {
    name: "request.signal fires and the body is cancelled when the client leaves in the middle of a response",
    expected: "aborted and cancelled",
    async run({ url, control }, patience) {
      const key = control.key();
      const client = new AbortController();
      const leaving = abortMidResponse(`${url}/endless/${key}`, 1000, { signal: client.signal }).catch(() => {});
      if ((await within(leaving, patience)) === "never") client.abort();
      const aborted = await within(control.happened(`${key}:aborted`), patience);
      const cancelled = await within(control.happened(`${key}:cancelled`), patience);
      return `${aborted === "never" ? "not aborted" : "aborted"} and ${cancelled === "never" ? "not " : ""}cancelled`;
    },
  },
  {
    name: "request.signal fires when the client leaves while fetch is silent",
    expected: "aborted at once",
    async run({ url, control }, patience) {
      const key = control.key();
      const client = new AbortController();
      const response = httpRequest(`${url}/silent/${key}`, { signal: client.signal }).catch(() => {});
      await control.happened(`${key}:started`);
      client.abort();
      await response;
      const atOnce = await within(control.happened(`${key}:aborted`), patience);
      if (atOnce !== "never") return "aborted at once";
      control.open(key);
      const aborted = control.happened(`${key}:aborted`).then(() => "aborted at the first output");
      return Promise.race([aborted, control.happened(`${key}:over`).then(() => "never aborted")]);
    },
  },
  {
    name: "request.body fails when the client leaves in the middle of its upload",
    expected: "failed",
    async run({ url, control }, patience) {
      const key = control.key();
      const client = new AbortController();
      async function* half(): AsyncGenerator<Uint8Array> {
        yield patternBytes(1000);
        await new Promise(() => {});
      }
      const options = { method: "POST", signal: client.signal, headers: { "content-length": 2000 }, body: half() };
      const response = httpRequest(`${url}/upload/${key}`, options).catch(() => {});
      const reading = await within(control.happened(`${key}:reading`), patience);
      client.abort();
      await response;
      if (reading === "never") {
        const started = await within(control.happened(`${key}:started`), patience);
        return started === "never" ? "the application never hears of it" : "the application waits";
      }
      return control.happened(`${key}:ended`);
    },
  },
  {
    name: "the client gets a 413 when the body has more than maxStdinBytes",
    expected: 413,
    async run(world) {
      const bytes = 12 * MiB;
      const headers = { "content-length": bytes };
      return uploading(async (signal) => {
        const { status } = await httpRequest(`${world.url}/digest`, { body: patternChunks(bytes), headers, signal });
        return status;
      });
    },
  },
  {
    name: "the client gets an early answer whole when nobody reads its 10 MiB",
    expected: ["403 no, thank you\n", "403 no, thank you\n", "200"],
    async run(world) {
      const answers: string[] = [];
      for (let i = 0; i < 2; i++) {
        const headers = { "content-length": 10 * MiB };
        const answer = await uploading(async (signal) => {
          const response = await httpRequest(`${world.url}/early`, { headers, body: patternChunks(10 * MiB), signal });
          return `${response.status} ${response.text()}`;
        });
        answers.push(answer);
      }
      return [...answers, String((await httpRequest(`${world.url}/echo`)).status)];
    },
  },
];

/** A client that has its answer does not go on uploading. */
async function uploading<Outcome>(action: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> {
  const client = new AbortController();
  try {
    return await action(client.signal);
  } finally {
    client.abort();
  }
}
