import { connectorFor } from "../../address.ts";
import type { CommandContext, CommandInput } from "../../frame/command.ts";
import { Progress } from "../../frame/progress.ts";
import { checkPage } from "../../page_params.ts";
import { readParam } from "../../param.ts";
import { exitCodeFor } from "../exit_codes.ts";
import { FindingList } from "../report/list.ts";
import { countText, reportJson } from "../report/print.ts";
import { checkApplication } from "./check.ts";
import type { applicationOptions } from "./options.ts";

const WARNING =
  "fetchcgi: some checks make some applications hang or crash: don't check one that is in use, or leave them out with --safe";

export async function run(
  { options, operands: [address = ""] }: CommandInput<typeof applicationOptions>,
  context: CommandContext,
): Promise<number> {
  const { print, printError, stdout, stderr } = context;
  const { json, verbose, safe, script, uri, timeout } = options;
  const bodyUri = options["body-uri"] ?? uri;
  checkPage("--uri", uri);
  checkPage("--body-uri", bodyUri);
  const connector = connectorFor(address);
  const params = options.param.map((text) => readParam("--param", text));
  if (!safe) printError(WARNING);
  const list = new FindingList(stdout, print, verbose);
  // Where the findings appear one by one, they show how far the check is.
  const progress = new Progress(json || !stdout.isTerminal ? stderr : { ...stderr, isTerminal: false });
  const { findings, leftOut } = await checkApplication(
    { connector, script, uri, bodyUri, params, timeout, isSafe: safe },
    {
      onFacts({ status, showsParams, sendsBodyBack }) {
        if (json) return;
        print(`The application at ${address} answers with status ${status}.`);
        if (!showsParams) print(`The page ${uri} does not show its variables, so some rules can't be told: see --uri.`);
        if (!sendsBodyBack)
          print(`The page ${bodyUri} does not send the body back, so some can't be told: see --body-uri.`);
      },
      onFinding(found, done, all) {
        progress.show(() => `${done} of ${all} checks`);
        if (!json) list.print(found);
      },
    },
  ).finally(() => progress.clear());
  if (json) {
    print(reportJson({ application: address, leftOut }, findings));
  } else {
    print(`\n${countText(findings)}`);
    if (leftOut > 0) print(`${leftOut} checks were left out (--safe).`);
  }
  return exitCodeFor(findings);
}
