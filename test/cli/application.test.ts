import { fileURLToPath } from "node:url";
import { describe, it, type TestContext } from "vitest";
import { serve } from "../../adapters/node/index.ts";
import type { Finding } from "../../cli/check/report/rule.ts";
import {
  type Application,
  firstStartTimeout,
  go,
  libfcgi,
  perlFcgi,
  phpCgi,
  phpFpm,
} from "../support/applications/list.ts";
import { startRevived } from "../support/revived_process.ts";
import { formatTarget } from "../support/target.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { brokenIn, fetchcgi, findingsOf, nameOf } from "./run.ts";

failOnUnhandledRejections();

const pages = ["--uri", "/params", "--body-uri", "/echo"];
/** For answers that never come. Those that do are there much earlier, on a busy machine as well. */
const timeout = ["--timeout", "2000"];

/** An application of this library: a page that shows its variables, and one that sends the body back. */
async function serveOwn({ onTestFinished }: TestContext): Promise<string> {
  const server = await serve({
    port: 0,
    onError: () => {},
    fetch(request, { params }) {
      if (new URL(request.url).pathname === "/echo") return new Response(request.body);
      return new Response([...params].map(([name, value]) => `${name}=${value}\0`).join(""));
    },
  });
  onTestFinished(() => server.close({ timeout: 100 }));
  return `127.0.0.1:${(server.address as { port: number }).port}`;
}

/** Enough for a process to start again, on a busy machine as well. */
const restart = ["--timeout", "20000"];

const joined = "FCGI-3.3-18 PARAMS are joined before they are read: a pair cut";

/** What PHP does otherwise (specifications/fastcgi.md, 13). */
const php = [
  "FCGI-5.5-7 A role that does not exist is refused with UNKNOWN_ROLE",
  "FCGI-5.4-2 ABORT_REQUEST is answered with END_REQUEST within PARAMS",
  "FCGI-4.2-1 A management record of a type that is not known is answered with UNKNOWN_TYPE",
  "FCGI-3.3-12 Records of ids that are not active are ignored: PARAMS and STDIN",
  "FCGI-3.3-12 Records of ids that are not active are ignored: ABORT_REQUEST",
  "FCGI-3.3-18 PARAMS may come in records of one byte",
  `${joined} between its lengths`,
  `${joined} within a length of four bytes`,
  `${joined} within its name`,
  `${joined} within its value`,
  "CGI-9.6-1 A value can be longer than a record: 70,000 bytes",
  "FCGI-5.5-5 An application that takes one request at a time refuses a second with CANT_MPX_CONN",
  "FCGI-6.1-6 FCGI_STDOUT is ended by an empty record",
];

/** libfcgi, in C and in Perl. */
const c = [
  "FCGI-5.5-7 A role that does not exist is refused with UNKNOWN_ROLE",
  "FCGI-5.4-2 ABORT_REQUEST is answered with END_REQUEST within PARAMS",
  "FCGI-4.1-7 GET_VALUES may come at any time: between PARAMS and STDIN of a request",
  "FCGI-3.3-5 Padding is skipped, whatever it holds and however long it is: BEGIN_REQUEST",
  "FCGI-3.3-12 Records of ids that are not active are ignored: ABORT_REQUEST",
  // The program's business, not the library's.
  "CGI-4.3.3-1 The answer to HEAD has no body",
];

const known: readonly (readonly [application: Application, limits: readonly string[]])[] = [
  [
    go,
    [
      "FCGI-4.2-1 A management record of a type that is not known is answered with UNKNOWN_TYPE",
      "CGI-4.3.3-1 The answer to HEAD has no body",
    ],
  ],
  [phpFpm, php],
  [phpCgi, php],
  [libfcgi, c],
  [perlFcgi, c],
];

async function check(application: Application, { onTestFinished }: TestContext): Promise<Finding[]> {
  const running = await application.start({ listen: application.listen[0]!, workers: 8 });
  onTestFinished(() => running.stop());
  const { params = {}, script } = running.connector.preset ?? {};
  const filename = typeof script === "object" ? script.filename : undefined;
  const run = await fetchcgi([
    ...["check", "application", formatTarget(running.target), "--json", ...pages, ...timeout],
    ...(filename === undefined ? [] : ["--script", filename]),
    ...Object.entries(params).flatMap(([name, value]) => ["--param", `${name}=${value}`]),
  ]);
  return findingsOf(run);
}

// Most of the time is spent waiting for answers that do not come.
describe.concurrent("fetchcgi check application", () => {
  it("passes an application of this library in every rule but one", async (context) => {
    const { expect } = context;
    const address = await serveOwn(context);
    const run = await fetchcgi(["check", "application", address, "--json", ...pages]);
    const rest = findingsOf(run).filter(({ verdict }) => verdict !== "kept");
    expect(rest.map((finding) => [finding.verdict, finding.isAdvice, nameOf(finding)])).toEqual([
      [
        "not applicable",
        false,
        "FCGI-5.5-5 An application that takes one request at a time refuses a second with CANT_MPX_CONN",
      ],
      // specifications/conformance.md, "Deliberate deviations".
      ["broken", true, "FCGI-3.3-7 Records end on multiples of eight bytes"],
    ]);
    expect(run.code).toBe(0);
  });

  it("says what it can't tell when the page shows nothing", async ({ expect, onTestFinished }) => {
    const server = await serve({
      port: 0,
      fetch: () => new Response("hello\n"),
      onError: () => {},
      multiplexing: false,
    });
    onTestFinished(() => server.close({ timeout: 100 }));
    const { port } = server.address as { port: number };
    const run = await fetchcgi(["check", "application", String(port), "--verbose"]);
    expect(run.code).toBe(0);
    expect(run.text).toContain("The page / does not show its variables");
    expect(run.text).toMatch(/^not told +FCGI-5\.2-1 +PARAMS carries the variables/m);
    expect(run.text).toMatch(/^kept +FCGI-4\.1-2 /m);
    expect(run.text).toContain("sent: GET_VALUES 0 (FCGI_MAX_CONNS FCGI_MAX_REQS FCGI_MPXS_CONNS, padding 8)");
    expect(run.text).toContain("came: GET_VALUES_RESULT 0 (FCGI_MAX_CONNS=1024 FCGI_MAX_REQS=1024 FCGI_MPXS_CONNS=0)");
    expect(run.text).toMatch(/^kept +FCGI-5\.5-5 .*\n +the second was refused with CANT_MPX_CONN$/m);
    expect(run.text).toMatch(/^passed: \d+ kept/m);
  });

  it.for(known.map(([application, limits]) => [application.name, application, limits] as const))(
    "finds the known limits of %s and no other",
    { timeout: firstStartTimeout },
    async ([, application, limits], context) => {
      const { expect } = context;
      const broken = brokenIn(await check(application, context));
      // One that is mended in a later version is no failure.
      expect([...broken].filter(([name]) => !limits.includes(name))).toEqual([]);
      expect(broken.size).toBeGreaterThan(0);
    },
  );

  const program = fileURLToPath(new URL("programs/node_fastcgi.mjs", import.meta.url));

  it("finds the faults of node-fastcgi, also those that it dies of", async (context) => {
    const { expect } = context;
    const revived = await startRevived("node-fastcgi", program);
    context.onTestFinished(() => revived.stop());
    const run = await fetchcgi(["check", "application", `127.0.0.1:${revived.port}`, "--json", ...pages, ...restart]);
    const broken = brokenIn(findingsOf(run));
    expect(run.code).toBe(1);
    const dies = /the application is gone: nothing listens there any more$/;
    expect(broken.get("FIELD-12 Names that mean something in the application's language are left out as well")).toMatch(
      dies,
    );
    expect(
      broken.get("FCGI-4.2-1 A management record of a type that is not known is answered with UNKNOWN_TYPE"),
    ).toMatch(dies);
    expect(broken.get("FIELD-12 It survives a type that is not known, with the id of a request")).toMatch(dies);
    for (const place of ["between its lengths", "within its name", "within its value"]) {
      expect(broken.get(`${joined} ${place}`)).toBe("answered, but a value of 200 bytes did not arrive");
    }
    expect([...broken.keys()]).toContain(
      "FCGI-5.1-5 With FCGI_KEEP_CONN the connection stays open: a second request is answered on it",
    );
    // It was started again each time, so the rest could be told.
    expect(findingsOf(run).filter(({ verdict }) => verdict === "not told")).toEqual([]);
    expect(revived.revivals).toBeGreaterThanOrEqual(3);
  });
});
