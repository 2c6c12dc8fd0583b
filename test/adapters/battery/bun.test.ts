import { describeRuntime } from "./battery.ts";

describeRuntime("bun");
