import { connectorFor } from "../address.ts";
import { type CommandContext, type CommandInput, EXIT_INTERRUPTED } from "../frame/command.ts";
import { safeJson, safeLine, styled } from "../frame/style.ts";
import { checkPage } from "../page_params.ts";
import { readParam } from "../param.ts";
import { ping } from "./ask.ts";
import { metricsText } from "./metrics.ts";
import type { pingOptions } from "./options.ts";
import { STATE_CODES } from "./state.ts";

const STYLES = { up: "green", saturated: "yellow", wrong: "red", down: "red" } as const;

export async function run(
  { options, operands: [address = ""] }: CommandInput<typeof pingOptions>,
  { print, stdout, signal }: CommandContext,
): Promise<number> {
  const { uri, status, expect, script, timeout, json, prometheus } = options;
  checkPage("--uri", uri);
  checkPage("--status", status);
  const started = performance.now();
  const result = await ping({
    address,
    connector: connectorFor(address),
    uri: status ?? uri,
    isStatusPage: status !== undefined,
    maxQueue: options["max-queue"],
    expect,
    script,
    params: options.param.map((text) => readParam("--param", text)),
    timeout,
    signal,
  }).catch((error) => {
    if (signal.aborted) return null;
    throw error;
  });
  if (result === null) return EXIT_INTERRUPTED;
  const milliseconds = Math.round((performance.now() - started) * 10) / 10;
  const code = options.allow.includes(result.state) ? 0 : STATE_CODES[result.state];
  if (json) print(safeJson({ address, code, milliseconds, ...result }));
  else if (prometheus) print(metricsText(address, result, milliseconds));
  else {
    const { state, message } = result;
    print(`${styled(stdout, STYLES[state], state)}: ${safeLine(`${address} ${message}`)} (${milliseconds} ms)`);
  }
  return code;
}
