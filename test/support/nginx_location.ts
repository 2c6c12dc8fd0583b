import { type FastCgiTarget, formatTarget } from "./target.ts";

export interface FastCgiLocationOptions {
  /** Matcher of the location: "/" by default, or such as `~ \\.php(/|$)`. */
  readonly match?: string;
  /** `root`, from which SCRIPT_FILENAME is made. */
  readonly documentRoot?: string;
  /** One front controller for every URI: SCRIPT_FILENAME is this file, whatever was asked for. */
  readonly script?: string;
  /** Divides `/index.php/more` into SCRIPT_NAME and PATH_INFO. */
  readonly splitPathInfo?: boolean;
  /** Keeps connections to the application open: `keepalive` and `fastcgi_keep_conn on`. */
  readonly keepConn?: boolean;
  /** false: the request body is passed on while it arrives. */
  readonly requestBuffering?: boolean;
  /** false: the response is passed on while it arrives. */
  readonly buffering?: boolean;
  /** More text inside `location { }`, such as `fastcgi_param NAME value;`. */
  readonly extra?: string;
}

/** The two parts of a location: an upstream, which must stand outside of `server`, and the location itself. */
export interface NginxLocation {
  readonly http: string;
  readonly server: string;
}

let count = 0;

/** A location that nginx passes to a FastCGI application: `unix:/path`, `127.0.0.1:9000` or the same as an object. */
export function fastCgiLocation(target: string | FastCgiTarget, options: FastCgiLocationOptions = {}): NginxLocation {
  const { match = "/", documentRoot, script, splitPathInfo = false, keepConn = false } = options;
  const address = typeof target === "string" ? target : formatTarget(target);
  const upstream = `application_${++count}`;
  const directives = [
    documentRoot !== undefined && `root ${documentRoot};`,
    "include fastcgi_params;",
    script === undefined
      ? "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;"
      : `fastcgi_param SCRIPT_FILENAME ${script};`,
    splitPathInfo && "fastcgi_split_path_info ^(.+?\\.php)(/.*)$;",
    splitPathInfo && "fastcgi_param PATH_INFO $fastcgi_path_info;",
    keepConn && "fastcgi_keep_conn on;",
    options.requestBuffering === false && "fastcgi_request_buffering off;",
    options.buffering === false && "fastcgi_buffering off;",
    options.extra,
    `fastcgi_pass ${upstream};`,
  ];
  return {
    http: `upstream ${upstream} { server ${address}; ${keepConn ? "keepalive 4;" : ""} }`,
    server: `location ${match} {\n${directives.filter(Boolean).join("\n")}\n}`,
  };
}
