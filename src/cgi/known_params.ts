// The names of variables that an editor completes. Only types: nothing of this is in the code that runs.

/**
 * The variables that web servers send and applications read, for editors: they complete the names and show what each
 * means. Any other name is allowed as well. `specifications/params.md` says which web server sends which, in which form.
 */
export interface FastCgiKnownParams {
  /** The method: `GET` (RFC 3875 4.1.12). */
  readonly REQUEST_METHOD?: string;
  /** The path and query as the client sent them, not decoded: `/a%20b?x=1`. */
  readonly REQUEST_URI?: string;
  /** The query without its `?`, not decoded; empty without a query (RFC 3875 4.1.7). */
  readonly QUERY_STRING?: string;
  /** The client's protocol: `HTTP/1.1`, `HTTP/2.0` (RFC 3875 4.1.16). */
  readonly SERVER_PROTOCOL?: string;
  /** The path that the web server asks for, decoded: after rewrites and in sub-requests not the client's. nginx and Caddy. */
  readonly DOCUMENT_URI?: string;
  /** The path before a redirect inside the web server. lighttpd. */
  readonly REDIRECT_URI?: string;
  /** The path before a redirect inside the web server. Apache. */
  readonly REDIRECT_URL?: string;
  /** `200`. php-cgi with `cgi.force_redirect` runs nothing without it. */
  readonly REDIRECT_STATUS?: string;

  /** The path of the script or of the place where the application is mounted, decoded (RFC 3875 4.1.13). */
  readonly SCRIPT_NAME?: string;
  /** The path behind SCRIPT_NAME, decoded (RFC 3875 4.1.5). */
  readonly PATH_INFO?: string;
  /** The file that PATH_INFO would be below the document root (RFC 3875 4.1.6). */
  readonly PATH_TRANSLATED?: string;
  /** The file of the script, which php-fpm runs. */
  readonly SCRIPT_FILENAME?: string;
  /** The folder that the site's paths are in. */
  readonly DOCUMENT_ROOT?: string;
  /** The part of the path that an Alias stands for. Apache. */
  readonly CONTEXT_PREFIX?: string;
  /** The folder that belongs to CONTEXT_PREFIX. Apache. */
  readonly CONTEXT_DOCUMENT_ROOT?: string;

  /** The number of bytes of the request body; empty or absent if there is none or it is unknown (RFC 3875 4.1.2). */
  readonly CONTENT_LENGTH?: string;
  /** The media type of the request body (RFC 3875 4.1.3). */
  readonly CONTENT_TYPE?: string;
  /** For a Filter: the number of bytes of the file (FastCGI 6.4). */
  readonly FCGI_DATA_LENGTH?: string;
  /** For a Filter: when the file was changed, in seconds since 1970-01-01 UTC (FastCGI 6.4). */
  readonly FCGI_DATA_LAST_MOD?: string;

  /** The host by the web server's configuration or by the request (RFC 3875 4.1.14). HAProxy adds the port. */
  readonly SERVER_NAME?: string;
  /** The port that the request came to, or that the client named (RFC 3875 4.1.15). */
  readonly SERVER_PORT?: string;
  /** The address that the request came to. */
  readonly SERVER_ADDR?: string;
  /** The web server and its version: `nginx/1.22.1` (RFC 3875 4.1.17). */
  readonly SERVER_SOFTWARE?: string;
  /** `CGI/1.1` (RFC 3875 4.1.4). */
  readonly GATEWAY_INTERFACE?: string;
  /** `on` if the client speaks TLS; absent, empty or `off` if not. */
  readonly HTTPS?: string;
  /** `http` or `https`. */
  readonly REQUEST_SCHEME?: string;
  /** The version of TLS: `TLSv1.3`. */
  readonly SSL_PROTOCOL?: string;
  /** The cipher of TLS: `TLS_AES_128_GCM_SHA256`. */
  readonly SSL_CIPHER?: string;
  /** Whether the client's certificate was checked: `SUCCESS`, `NONE` or `FAILED:` with the reason. */
  readonly SSL_CLIENT_VERIFY?: string;
  /** The subject of the client's certificate. */
  readonly SSL_CLIENT_S_DN?: string;
  /** `on` if the client speaks HTTP/2. Apache. */
  readonly HTTP2?: string;
  /** The address of the web server's administrator. Apache. */
  readonly SERVER_ADMIN?: string;
  /** The line below pages that the web server makes itself. Apache. */
  readonly SERVER_SIGNATURE?: string;
  /** The search path of programs. Apache. */
  readonly PATH?: string;
  /** The role: `RESPONDER`, `AUTHORIZER` or `FILTER`. cgi-fcgi, and Apache to authorizers. */
  readonly FCGI_ROLE?: string;
  /** What is asked of an authorizer: `AUTHENTICATOR`, `AUTHORIZER` or `ACCESS_CHECKER`. Apache. */
  readonly FCGI_APACHE_ROLE?: string;

  /** The client's address (RFC 3875 4.1.8). */
  readonly REMOTE_ADDR?: string;
  /** The client's port. */
  readonly REMOTE_PORT?: string;
  /** The client's host name, or its address (RFC 3875 4.1.9). */
  readonly REMOTE_HOST?: string;
  /** What the client's identd says (RFC 3875 4.1.10). */
  readonly REMOTE_IDENT?: string;
  /** The name of the login (RFC 3875 4.1.11). nginx and HAProxy send it without having checked a password. */
  readonly REMOTE_USER?: string;
  /** The kind of the login: `Basic` (RFC 3875 4.1.1). HAProxy sends it without having checked a password. */
  readonly AUTH_TYPE?: string;
  /** The password in clear text, to authenticators. Apache. */
  readonly REMOTE_PASSWD?: string;

  /** Settings of php.ini for php-fpm, a line each. Use `phpValues`, which quotes them. */
  readonly PHP_VALUE?: string;
  /** Settings of php.ini for php-fpm that the script can't change, a line each. Use `phpAdminValues`, which quotes them. */
  readonly PHP_ADMIN_VALUE?: string;
  /** php-fpm reads the request body from this file. */
  readonly REQUEST_BODY_FILE?: string;

  /** The Host field: host, and port unless it is the default one. Debian's nginx sends the host alone. */
  readonly HTTP_HOST?: string;
  /** The Accept field. */
  readonly HTTP_ACCEPT?: string;
  /** The Accept-Encoding field. */
  readonly HTTP_ACCEPT_ENCODING?: string;
  /** The Accept-Language field. */
  readonly HTTP_ACCEPT_LANGUAGE?: string;
  /** The Authorization field. Apache sends it with `CGIPassAuth On` only. */
  readonly HTTP_AUTHORIZATION?: string;
  /** The Cookie field. */
  readonly HTTP_COOKIE?: string;
  /** The If-Modified-Since field. */
  readonly HTTP_IF_MODIFIED_SINCE?: string;
  /** The If-None-Match field. */
  readonly HTTP_IF_NONE_MATCH?: string;
  /** The Origin field. */
  readonly HTTP_ORIGIN?: string;
  /** The Range field. */
  readonly HTTP_RANGE?: string;
  /** The Referer field. */
  readonly HTTP_REFERER?: string;
  /** The User-Agent field. */
  readonly HTTP_USER_AGENT?: string;
  /** The X-Forwarded-For field: what proxies in front say of the client's address, or the client itself. */
  readonly HTTP_X_FORWARDED_FOR?: string;
  /** The X-Forwarded-Host field: what proxies in front say of the host, or the client itself. */
  readonly HTTP_X_FORWARDED_HOST?: string;
  /** The X-Forwarded-Proto field: what proxies in front say of the scheme, or the client itself. */
  readonly HTTP_X_FORWARDED_PROTO?: string;
  /** The X-Requested-With field: `XMLHttpRequest` from some libraries. */
  readonly HTTP_X_REQUESTED_WITH?: string;
}

/** The name of a variable: any text. An editor completes those of {@linkcode FastCgiKnownParams}. */
export type FastCgiParamName = keyof FastCgiKnownParams | (string & {});

/** A variable as a pair of byte strings. */
export type FastCgiParam = readonly [name: FastCgiParamName, value: string];
