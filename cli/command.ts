import { checkApplication } from "./application/check.ts";
import { type ApplicationCommand, readArguments, type ServerCommand, USAGE } from "./arguments.ts";
import { countText, findingText, reportJson } from "./report/print.ts";
import { type Finding, passes } from "./report/rule.ts";
import { checkServer } from "./server/check.ts";
import type { ObservedRequest } from "./server/observed.ts";

/** The parts of the process that a command uses. */
export interface CommandContext {
  /** Prints whole lines of the report. */
  print(text: string): void;
  /** Prints a text that is not part of the report. */
  printError(text: string): void;
  /** Ends a check of a web server. */
  readonly signal: AbortSignal;
}

/** Exit code: 0 if no rule is broken, 1 if one is, 2 if nothing could be checked. */
export type ExitCode = 0 | 1 | 2;

/** Runs the command in the arguments after the program's name. */
export async function runCommand(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  try {
    const command = readArguments(args);
    if (command.name === "help") {
      context.print(USAGE.trimEnd());
      return 0;
    }
    const findings =
      command.name === "application" ? await application(command, context) : await server(command, context);
    if (findings.length === 0) return 2;
    return passes(findings) ? 0 : 1;
  } catch (error) {
    context.printError(`fetchcgi: ${(error as Error).message}`);
    return 2;
  }
}

async function application(command: ApplicationCommand, { print }: CommandContext): Promise<Finding[]> {
  const { json, verbose, address } = command;
  const onFinding = listing(print, verbose);
  const findings = await checkApplication(command, {
    onFacts({ status, showsParams, sendsBodyBack }) {
      if (json) return;
      print(`The application at ${address} answers with status ${status}.`);
      if (!showsParams)
        print(`The page ${command.uri} does not show its variables, so some rules can't be told: see --uri.`);
      if (!sendsBodyBack)
        print(`The page ${command.bodyUri} does not send the body back, so some can't be told: see --body-uri.`);
    },
    ...(!json && { onFinding }),
  });
  print(json ? reportJson({ application: address }, findings) : `\n${countText(findings)}`);
  return findings;
}

async function server(command: ServerCommand, { print, printError, signal }: CommandContext): Promise<Finding[]> {
  const { json, verbose, address } = command;
  const refused: string[] = [];
  const findings = await checkServer(
    { ...command, signal },
    {
      onListening: () => printError(`fetchcgi: listening on ${address}`),
      onRequest: (request) => json || print(lineOf(request)),
      onRefused: (list) => refused.push(...list),
    },
  );
  if (json) {
    print(reportJson({ server: address, refused }, findings));
    return findings;
  }
  for (const one of refused) print(`The web server did not pass this on: ${one}`);
  const onFinding = listing(print, verbose);
  for (const found of findings) onFinding(found);
  print(findings.length === 0 ? "\nNo request has come." : `\n${countText(findings)}`);
  return findings;
}

/** Prints findings below the names of their groups. */
function listing(print: (text: string) => void, isVerbose: boolean): (found: Finding) => void {
  let group = "";
  return (found) => {
    if (found.group !== group) print(`\n${found.group}`);
    group = found.group;
    print(findingText(found, { isVerbose }));
  };
}

function lineOf(request: ObservedRequest): string {
  const method = request.param("REQUEST_METHOD") ?? "?";
  const uri = request.param("REQUEST_URI") ?? request.param("SCRIPT_NAME") ?? "?";
  const end = request.aborted === null ? "" : ` aborted: ${request.aborted}`;
  return `${method} ${uri} ${request.pairs?.length ?? 0} variables, ${request.bytes.stdin} bytes of STDIN${end}`;
}
