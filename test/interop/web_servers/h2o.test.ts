import { h2o } from "../../support/web_servers/servers.ts";
import { describeColumn } from "./battery.ts";
import { observed } from "./case.ts";
import {
  collectsUploads,
  holdsHeader,
  joinsCookies,
  noticesLate,
  ownHost,
  passesUnderscores,
  takesBrokenForWhole,
} from "./limits.ts";

describeColumn({
  server: h2o,
  example: "h2o/h2o.conf",
  measured: "2.2.5",
  limits: {
    ...joinsCookies(";"),
    ...passesUnderscores(observed),
    ...collectsUploads("collects uploads", observed),
    ...holdsHeader("sends the header with the first byte of the body", observed),
    ...takesBrokenForWhole(["atOnce", 0], ["later", 1024 * 1024]),
    ...noticesLate(observed),
    ...ownHost("refused: 404", "takes an absolute form for a path", observed),
    "request.url is whole when it came in absolute form": {
      outcome: "refused: 404",
      reason: "takes an absolute form for a path",
      reference: observed,
    },
    "the application answers a request without Host": {
      outcome: { status: 200, host: "default" },
      reason: "sends the name of the host in its configuration",
      reference: observed,
    },
  },
});
