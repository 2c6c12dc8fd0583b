// Writes pieces of 64 KiB to a spool until that fails, or 16 MiB are in it. Prints how that ended.

import { openTemporaryFile } from "../../../adapters/system/spool.ts";

const spool = await openTemporaryFile();
let pieces = 0;
let code: string | null = null;
try {
  for (; pieces < 256; pieces++) await spool.write(new Uint8Array(64 * 1024));
} catch (error) {
  code = (error as NodeJS.ErrnoException).code ?? String(error);
}
await spool.close();
console.log(JSON.stringify({ pieces, code }));
