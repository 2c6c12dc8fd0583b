import type { Spool } from "../../src/toolkit.ts";
import { openUnnamed } from "../system/spool.ts";
import { deno } from "./runtime.ts";

/** Opens a temporary file for a request body. Node's way asks the environment for the folder, which needs a permission of its own. */
export async function openTemporaryFile(): Promise<Spool> {
  return openUnnamed(await deno().makeTempFile({ prefix: "fetchcgi-" }), "r+");
}
