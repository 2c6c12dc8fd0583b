import { describeRuntime } from "./battery.ts";

describeRuntime("node");
