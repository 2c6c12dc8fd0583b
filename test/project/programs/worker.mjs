// A Worker of the package's own files, unbundled: the core, and what the entry for Workers exports.
import * as entry from "fetchcgi/cloudflare";
import { askOverStreams } from "./over_streams.mjs";

export default {
  fetch: async () => Response.json({ core: await askOverStreams(), connector: typeof entry.FastCgiTcpConnector }),
};
