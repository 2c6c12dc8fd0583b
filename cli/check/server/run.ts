import { listenTargetFor, listenText } from "../../address.ts";
import { type CommandContext, type CommandInput, UsageError } from "../../frame/command.ts";
import { safeLine } from "../../frame/style.ts";
import { checkSocketFileOptions, readMode } from "../../mode.ts";
import { exitCodeFor } from "../exit_codes.ts";
import { FindingList } from "../report/list.ts";
import { countText, reportJson } from "../report/print.ts";
import { checkServer } from "./check.ts";
import type { ObservedRequest } from "./observed.ts";
import type { serverOptions } from "./options.ts";

export async function run(
  { options, given }: CommandInput<typeof serverOptions>,
  { print, printError, stdout, signal }: CommandContext,
): Promise<number> {
  const { listen: address, json, verbose, requests = Number.POSITIVE_INFINITY } = options;
  if (address === undefined) throw new UsageError("Cannot read the arguments: expected --listen ADDRESS, got none");
  const mode = readMode("--mode", options.mode);
  const target = listenTargetFor(address);
  checkSocketFileOptions(given, target, address);
  const refused: string[] = [];
  const findings = await checkServer(
    {
      target: target.path === undefined ? target : { ...target, mode },
      url: options.url === undefined ? undefined : readUrl(options.url),
      requests,
      signal,
    },
    {
      onListening: (at) => printError(`fetchcgi: listening on ${listenText(target, at)}`),
      onRequest: (request) => json || print(lineOf(request)),
      onRefused: (list) => refused.push(...list),
    },
  );
  if (json) {
    print(reportJson({ server: address, refused }, findings));
  } else {
    for (const one of refused) print(safeLine(`The web server did not pass this on: ${one}`));
    const list = new FindingList(stdout, print, verbose);
    for (const found of findings) list.print(found);
    print(findings.length === 0 ? "\nNo request has come." : `\n${countText(findings)}`);
  }
  return exitCodeFor(findings);
}

function readUrl(text: string): URL {
  if (!URL.canParse(text) || !/^https?:/i.test(text))
    throw new UsageError(`Cannot use --url: expected a URL of the web server, with http or https, got "${text}"`);
  return new URL(text);
}

function lineOf(request: ObservedRequest): string {
  const method = request.param("REQUEST_METHOD") ?? "?";
  const uri = request.param("REQUEST_URI") ?? request.param("SCRIPT_NAME") ?? "?";
  const end = request.aborted === null ? "" : ` aborted: ${request.aborted}`;
  return safeLine(
    `${method} ${uri} ${request.pairs?.length ?? 0} variables, ${request.bytes.stdin} bytes of STDIN${end}`,
  );
}
