import { type FastCgiRecord, RecordType } from "../../src/toolkit.ts";
import type { RecordRun } from "./vectors.ts";

/** FastCGI 8: `BEGIN_REQUEST` for `BeginRequest`, as in the recordings. */
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(RecordType).map(([name, type]) => [type, name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()]),
);

/** Records as the recordings list them: equal ones in a row counted. */
export function recordRuns(records: readonly FastCgiRecord[]): RecordRun[] {
  const runs: RecordRun[] = [];
  for (const { type, requestId, contentData, paddingLength = 0 } of records) {
    const record = [NAMES.get(type) ?? String(type), requestId, contentData.length, paddingLength] as const;
    const last = runs.at(-1);
    if (last?.[0].every((fact, index) => fact === record[index])) runs[runs.length - 1] = [record, last[1] + 1];
    else runs.push([record, 1]);
  }
  return runs;
}
