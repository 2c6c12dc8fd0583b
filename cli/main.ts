#!/usr/bin/env node
// The program `fetchcgi`.

import { EXIT_INTERRUPTED } from "./frame/command.ts";
import { endSoon, processContext } from "./frame/process.ts";
import { runCommand } from "./frame/run.ts";

process.exitCode = await runCommand(process.argv.slice(2), processContext());
if (process.exitCode === EXIT_INTERRUPTED) endSoon();
