import type { SystemError } from "../shared/connect.ts";

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EEXIST: "another program has made a file there in the meantime",
  EACCES: "this user may not listen there",
  EPERM: "this user may not listen there",
  EROFS: "nothing can be written to its folder",
  ENOENT: "its folder does not exist",
  ENOTDIR: "what should be its folder is a file",
  ELOOP: "the symbolic links of its folder lead in a circle",
  ENOTFOUND: "there is no host of this name; is it spelt right?",
  EAI_AGAIN: "the name could not be looked up; give the address of this machine, such as 127.0.0.1",
  EADDRNOTAVAIL: "this machine does not have the address; 0.0.0.0 stands for all that it has",
  EBADF: "this process has no such descriptor; the program that starts it must pass a listening socket on",
  EINVAL: "it is not a listening socket; start the program from spawn-fcgi or a web server, or give path or port",
  ENOTSOCK: "it is not a socket; start the program from spawn-fcgi or a web server, or give path or port",
};

/** Why a server can't listen. */
export class ListenError extends Error {
  constructor(name: string, reason: string, options?: ErrorOptions) {
    super(`Cannot listen on ${name}: ${reason}`, options);
  }
}

/**
 * Makes an error that says what is wrong and what to do about it. An error that says so already is returned unchanged.
 */
export function cannotListen(name: string, error: SystemError): ListenError {
  if (error instanceof ListenError) return error;
  const { code } = error;
  const suffix = code === undefined ? "" : ` (${code})`;
  return new ListenError(name, `${HINTS[code ?? ""] ?? error.message}${suffix}`, { cause: error });
}
