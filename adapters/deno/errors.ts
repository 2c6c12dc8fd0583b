// Errors of the system to which Deno gives no code, only the text that the system has for them.

/** How EPROTOTYPE ends: its number on Linux, and on macOS and BSD. */
const WRONG_KIND = /\(os error (?:91|41)\)$/;

/** How a name begins that can't be looked up. What follows is in the words of getaddrinfo(3). */
const NO_HOST = /^failed to lookup address information: /;

/** In those words: no resolver has answered (EAI_AGAIN). */
const NO_ANSWER = /temporary failure|try again/i;

/** Gives an error the code that the same one has on Node. Returns it. */
export function withCode(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message } = error;
  if (WRONG_KIND.test(message)) Object.assign(error, { code: "EPROTOTYPE" });
  if (NO_HOST.test(message)) Object.assign(error, { code: NO_ANSWER.test(message) ? "EAI_AGAIN" : "ENOTFOUND" });
  return error;
}
