import { checkApplicationCommand } from "./check/application/command.ts";
import { checkServerCommand } from "./check/server/command.ts";
import { completeCommand } from "./complete/command.ts";
import type { Command } from "./frame/command.ts";
import { gatewayCommand } from "./gateway/command.ts";
import { inspectCommand } from "./inspect/command.ts";
import { pingCommand } from "./ping/command.ts";
import { requestCommand } from "./request/command.ts";
import { serveCommand } from "./serve/command.ts";
import { tapCommand } from "./tap/command.ts";

/** All commands, in the order of the help. */
export const commands: readonly Command[] = [
  serveCommand,
  gatewayCommand,
  requestCommand,
  pingCommand,
  tapCommand,
  inspectCommand,
  checkApplicationCommand,
  checkServerCommand,
  completeCommand,
];
