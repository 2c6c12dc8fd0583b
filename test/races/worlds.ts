import { clientWorlds } from "./client.ts";
import type { WorldKind } from "./explore.ts";
import { serverWorlds } from "./server.ts";
import { writerWorld } from "./writer.ts";

/** All worlds. */
export const worlds: readonly WorldKind[] = [writerWorld, ...serverWorlds, ...clientWorlds];
