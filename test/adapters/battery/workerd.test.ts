import { describeWorkers } from "./battery.ts";

describeWorkers();
