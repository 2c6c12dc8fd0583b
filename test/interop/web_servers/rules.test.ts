// Where the rules of specifications/field-rules.md come from: what web servers make of answers that ours never gives.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeEndRequestBody, ProtocolStatus, RecordType } from "../../../src/toolkit.ts";
import { joined } from "../../support/bytes.ts";
import { exchangeHttp } from "../../support/http_message.ts";
import { failOnUnhandledRejections } from "../../support/unhandled_rejections.ts";
import { listenRaw, type Pace, type RawAnswers, rawRecord } from "../../support/web_servers/raw_application.ts";
import * as servers from "../../support/web_servers/servers.ts";
import { type Setup, startSetup, type World } from "../../support/web_servers/setup.ts";
import { versionOf } from "../../support/web_servers/web_server.ts";

const stdout = (id: number, text = ""): Uint8Array => rawRecord(RecordType.Stdout, id, text);
const end = (id: number, protocolStatus: ProtocolStatus = ProtocolStatus.RequestComplete): Uint8Array =>
  rawRecord(RecordType.EndRequest, id, encodeEndRequestBody({ appStatus: 0, protocolStatus }));
/** A whole answer. */
const answer = (id: number, text: string): Uint8Array => joined(stdout(id, text), stdout(id), end(id));

const page = "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n";

const answers: RawAnswers = {
  "/split": (id) => [stdout(id, page.slice(0, 30)), answer(id, `${page.slice(30)}a page`)],
  "/message": (id) => [rawRecord(RecordType.Stderr, id, "a message"), answer(id, `${page}a page`)],
  "/location": (id) => [answer(id, "Location: http://example.test/elsewhere\r\n\r\n")],
  "/statuses": (id) => [answer(id, `Status: 201 Created\r\nStatus: 404 Not Found\r\n${page.slice(16)}a page`)],
  "/overloaded": (id) => [end(id, ProtocolStatus.Overloaded)],
  "/nothing": (id) => [joined(stdout(id), end(id))],
  "/unasked": (id) => [
    joined(rawRecord(RecordType.UnknownType, 0, new Uint8Array(8).fill(9, 0, 1)), answer(id, `${page}a page`)),
  ],
  "/stranger": (id) => [
    joined(stdout(id, `${page}a page`), stdout(id + 1, " of another"), stdout(id, ", whole"), stdout(id), end(id)),
  ],
  "/twice": (id) => [joined(answer(id, `${page}a page`), end(id))],
  "/one": (id) => [answer(id, `${page}one`)],
  "/two": (id) => [answer(id, `${page}two`)],
};

/** What a client gets: "200 a page". */
async function get({ port }: World, path: string): Promise<string> {
  const { status, headers, body, isWhole } = await exchangeHttp(port, `GET ${path}`, "Host: example.test\r\n");
  const location = headers.some(([name]) => name.toLowerCase() === "location") ? " with Location" : "";
  const text = body.includes("<") ? "an error page" : body.trim();
  return `${status}${location}${isWhole ? "" : ", cut,"} ${text}`.trim();
}

/** What web servers make of it, each in its way. */
const rules = {
  location: "Location without Status is a redirect to some, and a page to others",
  statuses: "of two Status fields some take the first, and others the last",
  overloaded: "FCGI_OVERLOADED without a response is anything but a 503 that says when to come again",
  nothing: "FCGI_END_REQUEST without a response is anything",
  unasked: "FCGI_UNKNOWN_TYPE that nobody asked for breaks the response of some",
  stranger: "a record of another id breaks the response of some, and gets into that of others",
  split: "a header in two records is one header, or the end of the web server",
  message: "FCGI_STDERR before the header goes to the log, or is the end of the web server",
  // The last, because what follows on the connection is never right again.
  twice: "a second FCGI_END_REQUEST reaches the next request where the id is always 1",
} as const;

type Outcomes = Readonly<Record<keyof typeof rules, string>>;

interface Column extends Setup {
  /** The version that the outcomes were found with. Any other may do as it likes. */
  readonly measured: string;
  readonly outcomes: Outcomes;
}

/** Where neither does harm. */
const harmless = { split: "200 a page", message: "200 a page" };
const everyOne = "200 a page, 200 one, 200 two";

const columns: readonly Column[] = [
  {
    server: servers.nginx,
    example: "nginx/site.conf",
    measured: "1.22.1",
    outcomes: {
      ...harmless,
      location: "302 with Location",
      statuses: "201 a page",
      overloaded: "502 an error page",
      nothing: "502 an error page",
      unasked: "502 an error page",
      stranger: "0, cut,",
      twice: everyOne,
    },
  },
  {
    server: servers.apache,
    example: "apache/proxy_fcgi.conf",
    measured: "2.4.71",
    outcomes: {
      ...harmless,
      location: "200 with Location",
      statuses: "404 a page",
      overloaded: "200",
      nothing: "200",
      unasked: "503 an error page",
      stranger: "200, cut, a page",
      twice: "200 a page, 200, 200 one",
    },
  },
  {
    server: servers.lighttpd,
    example: "lighttpd/socket.conf",
    measured: "1.4.69",
    outcomes: {
      ...harmless,
      location: "302 with Location",
      statuses: "404 a page",
      overloaded: "500 an error page",
      nothing: "500 an error page",
      unasked: "200 a page",
      stranger: "200 a page of another, whole",
      twice: everyOne,
    },
  },
  {
    server: servers.caddy,
    example: "caddy/Caddyfile",
    measured: "2.6.2",
    outcomes: {
      ...harmless,
      location: "200 with Location",
      statuses: "201 a page",
      overloaded: "502",
      nothing: "502",
      unasked: "502",
      stranger: "200 a page of another, whole",
      twice: everyOne,
    },
  },
  {
    server: servers.haproxy,
    example: "haproxy/haproxy.cfg",
    // What it waits for in vain.
    edit: (config) => config.replace("timeout server 60s", "timeout server 1s"),
    measured: "2.6.12",
    outcomes: {
      location: "302 with Location",
      statuses: "404 a page",
      overloaded: "504 an error page",
      nothing: "504 an error page",
      unasked: "200 a page",
      stranger: "200 a page, whole",
      twice: everyOne,
      split: "HAProxy ended",
      message: "HAProxy ended",
    },
  },
  {
    server: servers.h2o,
    example: "h2o/h2o.conf",
    measured: "2.2.5",
    outcomes: {
      ...harmless,
      location: "200 with Location",
      statuses: "404 a page",
      overloaded: "503 Internal Server Error",
      nothing: "503 Internal Server Error",
      unasked: "503 Internal Server Error",
      stranger: "200 a page of another, whole",
      twice: everyOne,
    },
  },
];

/**
 * Milliseconds between two writes that the web server is to read one by one. On a busy machine it may read both at once, and they do
 * no harm: then there is another try.
 */
const PAUSES = [50, 500, 5_000];

describe.each(columns)("$server.name", ({ outcomes, measured, ...setup }) => {
  let world: World;
  let version: string;
  const pace: Pace = { pause: 0 };

  failOnUnhandledRejections();

  const start = (): Promise<World> => startSetup(setup, (socket) => listenRaw(socket, answers, pace));
  beforeAll(async () => {
    version = await versionOf(setup.server);
    world = await start();
  });
  afterAll(() => world?.stop());

  /** What clients get who ask for these one after the other, or that the web server has ended. */
  async function seenOf(paths: readonly string[]): Promise<string> {
    const seen: string[] = [];
    for (const path of paths) {
      const outcome = await Promise.race([get(world, path), world.died]).catch(() => "0");
      // A connection without an answer is its last word, or one that it has closed.
      if (outcome.startsWith("0") && !(await isAlive(world))) {
        await world.stop();
        world = await start();
        return `${setup.server.name} ended`;
      }
      seen.push(outcome);
    }
    return seen.join(", ");
  }

  it.each(Object.entries(rules) as [keyof Outcomes, string][])("%s: %s", async (rule) => {
    const paths = rule === "twice" ? ["/twice", "/one", "/two"] : [`/${rule}`];
    let seen = "";
    for (const pause of PAUSES) {
      pace.pause = pause;
      seen = await seenOf(paths);
      if (seen === outcomes[rule]) break;
    }
    if (version === measured) expect(seen).toBe(outcomes[rule]);
  });
});

/** Asks until there is an answer, or the web server has ended. */
async function isAlive(world: World): Promise<boolean> {
  let ended = false;
  world.died.catch(() => {
    ended = true;
  });
  for (;;) {
    const answer = await get(world, "/one").catch(() => "0");
    if (ended || !answer.startsWith("0")) return !ended;
    await sleep(10);
  }
}
