// The application of ending_application.ts in a process of its own, which can be killed.

import { serve } from "../../../adapters/node/index.ts";
import { remoteStage } from "./control.ts";
import { endingApplication } from "./ending_application.ts";

const [, , path, control] = process.argv;
if (path === undefined || control === undefined) throw new Error("Usage: ending_program <socket> <control socket>");

await serve({ path, ...endingApplication(remoteStage(control)) });
console.log("listening");
