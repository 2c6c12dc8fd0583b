import { describeRuntime } from "./battery.ts";

describeRuntime("deno");
