#!/usr/bin/env node
// The program `fetchcgi`.

import { EXIT_INTERRUPTED } from "./frame/command.ts";
import { endSoon, processContext } from "./frame/process.ts";
import { runCommand } from "./frame/run.ts";

const code = await runCommand(process.argv.slice(2), processContext());
// Output that could not be written has set it.
process.exitCode ??= code;
if (code === EXIT_INTERRUPTED) endSoon();
