// Writes the generated part of specifications/params.md anew. Run by scripts/params.mjs.

import { writeFileSync } from "node:fs";
import { formatTable, paramsFile, recordTable, withTable } from "./table.ts";

writeFileSync(paramsFile, withTable(formatTable(await recordTable())));
console.log(`Wrote what every web server sends into ${paramsFile}`);
process.exit();
