import type { SystemError } from "../shared/connect.ts";

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EEXIST: "something else listens there",
  EACCES: "this user may not listen there",
  ENOENT: "its folder does not exist",
  EINVAL: "it is not a listening socket; start the program from spawn-fcgi or a web server, or give path or port",
  ENOTSOCK: "it is not a socket; start the program from spawn-fcgi or a web server, or give path or port",
};

/** Says what is wrong and what to do about it. */
export function cannotListen(name: string, error: SystemError, code: string | undefined = error.code): Error {
  const suffix = code === undefined ? "" : ` (${code})`;
  return new Error(`Cannot listen on ${name}: ${HINTS[code ?? ""] ?? error.message}${suffix}`, { cause: error });
}
