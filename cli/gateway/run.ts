import { type Stats, statSync } from "node:fs";
import { resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FastCgiHttpClient } from "../../src/toolkit.ts";
import { connectorFor, httpTargetFor } from "../address.ts";
import { type CommandContext, type CommandInput, UsageError } from "../frame/command.ts";
import { onHangup } from "../frame/hangup.ts";
import { flushed, Printer } from "../frame/printer.ts";
import { endSoon, exitSoon } from "../frame/process.ts";
import { aborted, endingWith } from "../frame/signal.ts";
import { safeJson } from "../frame/style.ts";
import { readParam } from "../param.ts";
import { VERSION } from "../version.ts";
import { commonLogLine, jsonLogLine, withAccessLog } from "./access_log.ts";
import { type Application, ownApplication, runningApplication, StartError } from "./application.ts";
import { CertificateFiles, makeCertificate } from "./certificate.ts";
import { failureText, withErrors } from "./errors.ts";
import { GATEWAY_EXITS } from "./exits.ts";
import { type Certificate, type HttpServer, ListenError, listenHttp, type ServerRequest } from "./http.ts";
import type { gatewayOptions } from "./options.ts";
import { RunningRequests } from "./running.ts";
import { type Mount, siteFor } from "./site.ts";

type Options = CommandInput<typeof gatewayOptions>["options"];

/** Debian's packages are in folders of this one, and link to each other's files. Only root writes there. */
const PACKAGES = "/usr/share";

/**
 * What PHP programs learn about the web server. WordPress offers links without `/index.php/` only behind a server that it knows, by the
 * name in it, and this one has nginx's rules.
 */
const SERVER_SOFTWARE = `fetchcgi/${VERSION} (as nginx)`;

export async function run(
  { options, operands: [folder] }: CommandInput<typeof gatewayOptions>,
  context: CommandContext,
): Promise<number> {
  // What reads them can stand still, and requests must not wait for it.
  const log = new Printer(context.stdout, (count) => skippedLine(count, options));
  const messages = new Printer(context.stderr, (count) => `fetchcgi: ${count} more messages were not shown`);
  const say = (line: string): void => messages.print([`fetchcgi: ${line}`]);
  const mounts = mountsOf(folder, options);
  const address = addressOf(options);
  const params = paramsOf(options);
  const authorizedBy = options.authorizer === undefined ? null : connectorFor(options.authorizer);
  const running = new RunningRequests();
  const { signal, end } = endingWith(context.signal);
  // What was begun last ends first: the HTTP server before the application.
  const ends: (() => Promise<unknown>)[] = [];
  let isAllClosed = true;
  const files = certificateFilesOf(options);
  const limit = (): Promise<void> => sleep(options.drain, undefined, { ref: false });
  try {
    const certificate = await certificateOf(files, options, address.hostname, signal);
    const application = await applicationOf(mounts, options, running, limit, signal, say);
    ends.push(() => application.close(limit()));
    const authorizer = authorizedBy && new FastCgiHttpClient(authorizedBy, application.clientOptions);
    if (authorizer !== null) ends.push(() => authorizer.close({ timeout: 0 }));
    const { php } = application;
    const { frontController, mayLinkTo } = rulesOf(mounts, options);
    const site = siteFor({ php, mounts, mayLinkTo, frontController, params, authorizer, onRefused: say });
    const server = await listenHttp({
      ...address,
      certificate,
      timeout: options.timeout,
      onError: say,
      fetch: withLog(site, running, options, log, say),
    });
    ends.push(async () => {
      isAllClosed = await server.close(limit());
    });
    const stop = onHangup(context.stderr, () => void reload(application, server, files, signal, say), end);
    // After all others: a terminal that is closed sends SIGHUP twice, itself and through its shell.
    ends.unshift(async () => stop());
    announce(server.url, mounts, application.about, options, log, say);
    await aborted(signal);
    say("ending when the running requests have been answered");
    return GATEWAY_EXITS.ended;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return GATEWAY_EXITS.ended;
    if (!(error instanceof ListenError || error instanceof StartError)) throw error;
    say(error.message);
    return GATEWAY_EXITS.failed;
  } finally {
    for (const close of ends.reverse()) await close();
    const isPrinted = await flushed([log, messages]);
    if (files?.isReading || !isPrinted) endSoon();
    else if (!isAllClosed) exitSoon();
  }
}

/** Answers, reports errors and writes the access log. */
function withLog(
  site: (request: ServerRequest) => Promise<Response>,
  running: RunningRequests,
  { json, quiet, timeout }: Options,
  log: Printer,
  say: (line: string) => void,
): (request: ServerRequest) => Promise<Response> {
  return withAccessLog(withErrors(site, say), timeout, {
    onBegin: () => running.begin(),
    onBroken: (request, reason) => say(failureText(request, reason)),
    onEnd(entry) {
      if (json) log.print([jsonLogLine(entry)]);
      else if (!quiet) log.print([commonLogLine(entry)]);
    },
  });
}

/** Stands for lines of the access log that nothing took in time. */
function skippedLine(count: number, { json }: Options): string {
  return json ? safeJson({ skipped: count }) : `# ${count} lines were not written`;
}

/** @throws {UsageError} If a folder is not there, or a prefix can't be one. */
function mountsOf(folder: string | undefined, { fastcgi, mount }: Options): Mount[] {
  if (folder === undefined && fastcgi !== undefined) {
    if (mount.length === 0) return [];
    throw new UsageError("Cannot use --mount: expected a folder for the other paths as well, such as .");
  }
  const further = mount.map((text): Mount => {
    const [, prefix, path] = /^((?:\/[^/=]+)+)=(.+)$/.exec(text) ?? [];
    if (prefix === undefined) throw new UsageError(`Cannot use --mount: expected /PREFIX=FOLDER, got "${text}"`);
    return { prefix, folder: existingFolder(path!) };
  });
  return [{ prefix: "", folder: existingFolder(folder ?? ".") }, ...further];
}

/** @throws {UsageError} If there is no such folder. */
function existingFolder(path: string, task = "serve"): string {
  const folder = resolve(path);
  const refuse = (reason: string): UsageError => new UsageError(`Cannot ${task} ${folder}: ${reason}`);
  const stats = ((): Stats | string => {
    try {
      return statSync(folder);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === "ENOENT" ? "there is no such folder" : message;
    }
  })();
  if (typeof stats === "string") throw refuse(stats);
  if (!stats.isDirectory()) throw refuse("expected a folder, got a file; name the folder that it is in");
  return folder;
}

function rulesOf(mounts: readonly Mount[], options: Options): { frontController: string | null; mayLinkTo: string[] } {
  const script = options["front-controller"];
  if (!/^\/.*\.php$/.test(script))
    throw new UsageError(`Cannot use --front-controller: expected a path such as /index.php, got "${script}"`);
  const isPackage = mounts.some(({ folder }) => folder.startsWith(PACKAGES + sep));
  return {
    frontController: options["no-front-controller"] ? null : script,
    mayLinkTo: [
      ...options["may-link-to"].map((path) => existingFolder(path, "follow links to")),
      ...(isPackage ? [PACKAGES] : []),
    ],
  };
}

function paramsOf({ param }: Options): [string, string][] {
  const given = param.map((text) => readParam("--param", text));
  return [["SERVER_SOFTWARE", SERVER_SOFTWARE], ...given.map(([name, value]): [string, string] => [name, value])];
}

/** @throws {UsageError} If it is no address of an HTTP server. */
function addressOf({ listen, host, port }: Options): { hostname: string; port: number } {
  return listen === undefined ? { hostname: host, port } : httpTargetFor(listen);
}

function certificateFilesOf({ cert, key }: Options): CertificateFiles | null {
  return cert === undefined || key === undefined ? null : new CertificateFiles(cert, key);
}

async function certificateOf(
  files: CertificateFiles | null,
  { https }: Options,
  hostname: string,
  signal: AbortSignal,
): Promise<Certificate | null> {
  if (files !== null) return files.read(signal);
  return https ? makeCertificate(hostname) : null;
}

/** The application that --fastcgi names, or a PHP of our own. */
function applicationOf(
  mounts: readonly Mount[],
  options: Options,
  running: RunningRequests,
  limit: () => Promise<void>,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Application> {
  const { fastcgi, timeout, workers } = options;
  const phpValues = new Map(options["php-value"].map((text) => readParam("--php-value", text)));
  if (options["display-errors"]) phpValues.set("display_errors", "1").set("html_errors", "1");
  const common = { timeout, phpValues, workers, signal, say };
  if (fastcgi !== undefined) return runningApplication({ ...common, address: fastcgi });
  const whenIdle = (): Promise<void> => Promise.race([running.settled(), limit()]);
  return ownApplication({ ...common, program: options.php, user: options.user, folder: mounts[0]!.folder, whenIdle });
}

/** Takes what has changed: PHP's settings, and the certificate. Requests that run are answered. */
async function reload(
  application: Application,
  server: HttpServer,
  files: CertificateFiles | null,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  try {
    if (files !== null && !server.renew(await files.read(signal)))
      say("this runtime keeps the certificate until the gateway is started again");
    // A failure has been told.
    if (await application.reload()) say("reloaded");
  } catch (error) {
    if (!signal.aborted) say(`${(error as Error).message}; all goes on as before`);
  }
}

function announce(
  url: string,
  mounts: readonly Mount[],
  about: string,
  { json }: Options,
  log: Printer,
  say: (line: string) => void,
): void {
  if (json) log.print([safeJson({ url, folders: mounts.map(({ prefix, folder }) => ({ prefix, folder })) })]);
  const what = mounts.map(({ prefix, folder }) => (prefix === "" ? folder : `${prefix} = ${folder}`)).join(", ");
  say(`serving ${what === "" ? about : `${what} with ${about}`} at ${url}`);
}
