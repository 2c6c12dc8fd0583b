// Callbacks that only inform a program: onError, onRetry, onFailure, onStderr, onRequestEnd. An error in one must not end the request
// or the connection that it reports on, nor another one.

import { checkFunction, checkString } from "./unexpected.ts";

/**
 * Wraps `callback` in a function that never throws. Without a callback that function does nothing. Null means none, as in
 * place of options: a callback that only watches guards nothing. Every such callback is called through this.
 *
 * What `callback` throws becomes an unhandled rejection, as if an async callback had rejected. So both reach the
 * program in one place (the event `unhandledrejection`, on Node `process.on("unhandledRejection")`), and without a
 * listener the runtime reports them with their stack. They do not go to `onError`, which may be the callback that
 * failed.
 *
 * @param name The name of the option, for the message.
 * @throws {TypeError} If `callback` is anything else.
 */
export function contained<Arguments extends unknown[]>(
  name: string,
  callback: ((...args: Arguments) => unknown) | null | undefined,
): (...args: Arguments) => void {
  checkString(name, "Cannot contain a callback", "name");
  if (callback === undefined || callback === null) return doNothing;
  checkFunction(callback, name);
  return (...args) => {
    try {
      callback(...args);
    } catch (thrown) {
      void Promise.reject(thrown);
    }
  };
}

/** As {@linkcode contained}; null without a callback, so that nothing is made for it. */
export function containedOrNull<Arguments extends unknown[]>(
  name: string,
  callback: ((...args: Arguments) => unknown) | null | undefined,
): ((...args: Arguments) => void) | null {
  return callback === undefined || callback === null ? null : contained(name, callback);
}

function doNothing(): void {}
