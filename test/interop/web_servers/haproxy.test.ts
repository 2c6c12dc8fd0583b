import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../support/bytes.ts";
import { connectionsOpened } from "../../support/connections_opened.ts";
import { type HttpResponse, httpRequest } from "../../support/http.ts";
import { patternBytes, patternSha256 } from "../../support/pattern.ts";
import { haproxy } from "../../support/web_servers/servers.ts";
import { startSetup, type World } from "../../support/web_servers/setup.ts";
import { describeColumn } from "./battery.ts";
import { observed } from "./case.ts";
import { claimsRemoteUser, collectsUploads, noticesLate, ownHeaderLimit, ownHost } from "./limits.ts";

const docs = "https://docs.haproxy.org/2.6/configuration.html";

const notAscii = {
  outcome: "refused: 400",
  reason: "refuses bytes in a target that no URI may have (option accept-invalid-http-request lets them in)",
  reference: `${docs}#4-option%20accept-invalid-http-request`,
};

describeColumn({
  server: haproxy,
  example: "haproxy/haproxy.cfg",
  measured: "2.6.12",
  limits: {
    ...claimsRemoteUser(observed),
    ...ownHeaderLimit(400, "the header of a request must fit tune.bufsize, 16 kB", `${docs}#3.2-tune.bufsize`),
    ...collectsUploads("collects up to a buffer of an upload (tune.bufsize, 16 kB) before it sends it on", observed),
    ...noticesLate(observed),
    ...ownHost("refused: 400", "refuses an absolute form with another authority than Host", observed),
    "request.url is whole when it is raw UTF-8": notAscii,
    "request.url is whole when it has raw bytes that are not UTF-8": notAscii,
    "request.body is whole when it has 10 MiB and is chunked": {
      outcome: "refused",
      reason: "answers 400 to a body of unknown length that does not fit one buffer",
      reference: `${docs}#10`,
    },
  },
});

/**
 * On shared connections HAProxy 2.6.12 does not bear several uploads that begin at the same moment: what does not fit its buffer
 * it aborts in the middle of the params and answers with a 500, or it ends on an assertion of its own (c_empty(ic)).
 * Uploads of more than a buffer (16 kB) that come in one go now and then get a 500 of its own either way.
 */
const ways = [
  { way: "shared", edit: (config: string): string => config, uploadsAtOnce: 1, mostConnections: 16 },
  {
    way: "one for each request",
    edit: (config: string): string => config.replace("option mpxs-conns", "no option mpxs-conns"),
    uploadsAtOnce: 32,
    mostConnections: 96,
  },
];

describe.each(ways)("HAProxy (connections: $way)", ({ edit, uploadsAtOnce, mostConnections }) => {
  let world: World;

  beforeAll(async () => {
    world = await startSetup({ server: haproxy, example: "haproxy/haproxy.cfg", edit });
  });
  afterAll(() => world?.stop());

  it("64 slow and fast requests at once each get their own answer", async () => {
    const { url, control } = world;
    const exchanges = async (): Promise<void> => {
      // Each thread of HAProxy has connections of its own, and shares one from its second request on.
      for (let round = 0; round < 8; round++) {
        await Promise.all(Array.from({ length: 4 }, () => httpRequest(`${url}/early`)));
      }
      const begin = async (i: number): Promise<{ key: string; answer: Promise<HttpResponse>; expected: string }> => {
        const key = control.key();
        const body = patternBytes(400 * (i + 1), i);
        const answer = httpRequest(`${url}/held/${key}`, { method: "POST", body });
        const early = answer.then(({ status, text }): never => {
          throw new Error(`Upload ${i} was answered with ${status} before it was read: ${text()}`);
        });
        await Promise.race([control.happened(`${key}:read`), early]);
        early.catch(() => {});
        return { key, answer, expected: sha256(body) };
      };
      const held: Awaited<ReturnType<typeof begin>>[] = [];
      while (held.length < 32) {
        const from = held.length;
        held.push(...(await Promise.all(Array.from({ length: uploadsAtOnce }, (_, i) => begin(from + i)))));
      }
      // The slow ones all wait now, on the connections that these go through.
      const fast = Array.from({ length: 32 }, async (_, i) => {
        const bytes = 500 + 6000 * i;
        const { body } = await httpRequest(`${url}/big/${bytes}${i % 2 === 0 ? "?length" : ""}`);
        expect([i, body.length, sha256(body)]).toEqual([i, bytes, patternSha256(bytes)]);
      });
      await Promise.all(fast);
      for (const { key } of held) control.open(key);
      for (const { answer, expected } of held) expect(sha256((await answer).body)).toBe(expected);
    };
    const opened = await connectionsOpened(() => Promise.race([exchanges(), world.died]));
    expect(opened).toBeLessThanOrEqual(mostConnections);
  });
});
