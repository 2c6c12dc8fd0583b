/** The only protocol version (FastCGI 3.3, 8). */
export const FCGI_VERSION_1 = 1;

/** Bytes in a record header (FastCGI 8). */
export const FCGI_HEADER_LEN = 8;

/** The request id of management records (FastCGI 3.3, 8). */
export const FCGI_NULL_REQUEST_ID = 0;

/** The file descriptor that is the listening socket of an application that a web server started (FastCGI 2.2, 8). */
export const FCGI_LISTENSOCK_FILENO = 0;

/**
 * Bit of `flags` in FCGI_BEGIN_REQUEST: the web server decides when the connection is closed, not the application
 * (FastCGI 5.1).
 */
export const FCGI_KEEP_CONN = 1;

/** The largest `contentLength` a record header can name (FastCGI 3.3). */
export const MAX_CONTENT_LENGTH = 0xffff;

/**
 * The most content that this library puts into one record: the largest multiple of eight, because PHP refuses a record
 * whose content and padding together exceed 65,535 bytes.
 */
export const MAX_SENT_CONTENT_LENGTH = 0xfff8;

/** The largest request id a record header can name (FastCGI 3.3). */
export const MAX_REQUEST_ID = 0xffff;

/** Record types (FastCGI 8). */
export const RecordType = {
  BeginRequest: 1,
  AbortRequest: 2,
  EndRequest: 3,
  Params: 4,
  Stdin: 5,
  Stdout: 6,
  Stderr: 7,
  Data: 8,
  GetValues: 9,
  GetValuesResult: 10,
  UnknownType: 11,
} as const;
/** One of the eleven record types of FastCGI 8. */
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** The roles an application can play (FastCGI 6, 8). */
export const Role = {
  /** Receives an HTTP request, generates an HTTP response (FastCGI 6.2). */
  Responder: 1,
  /** Receives an HTTP request without its body and decides whether the request may go on (FastCGI 6.3). */
  Authorizer: 2,
  /** A Responder that also receives a file from the web server (FastCGI 6.4). */
  Filter: 3,
} as const;
/** One of the three roles of FastCGI 6. */
export type Role = (typeof Role)[keyof typeof Role];

/** How a request ended at protocol level (FastCGI 5.5, 8). */
export const ProtocolStatus = {
  /** The request was carried out. */
  RequestComplete: 0,
  /** The application takes one request at a time on a connection. */
  CantMpxConn: 1,
  /** The application has run out of a resource. */
  Overloaded: 2,
  /** The application does not know the role. */
  UnknownRole: 3,
} as const;
/** One of the four protocol statuses of FastCGI 5.5. */
export type ProtocolStatus = (typeof ProtocolStatus)[keyof typeof ProtocolStatus];

/** A name that a web server can ask for with FCGI_GET_VALUES (FastCGI 4.1, 8): the number of concurrent connections. */
export const FCGI_MAX_CONNS = "FCGI_MAX_CONNS";
/** The name that asks for the number of concurrent requests: see {@linkcode FCGI_MAX_CONNS}. */
export const FCGI_MAX_REQS = "FCGI_MAX_REQS";
/** The name that asks whether requests may share a connection: see {@linkcode FCGI_MAX_CONNS}. */
export const FCGI_MPXS_CONNS = "FCGI_MPXS_CONNS";

/** The name of a value in one of the constant objects above, for messages: `nameOf(RecordType, 4)` is `"Params"`. */
export function nameOf(constants: Readonly<Record<string, number>>, value: number): string {
  for (const name in constants) if (constants[name] === value) return name;
  return String(value);
}
