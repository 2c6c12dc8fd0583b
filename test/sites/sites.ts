import { adminer } from "./adminer.ts";
import { dokuwiki } from "./dokuwiki.ts";
import { mediawiki } from "./mediawiki.ts";
import type { Site } from "./site.ts";
import { wordpress } from "./wordpress.ts";

/** By the names that the command takes. */
export const sites: Readonly<Record<string, Site>> = { wordpress, adminer, dokuwiki, mediawiki };
