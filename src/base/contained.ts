// Callbacks that a program gives to be told of something: onError, onRetry, onFailure, onStderr. They watch, they decide nothing, so
// what goes wrong in one must not end the request or the connection that it is told of, nor a neighbour.

import { kindOf } from "./kind_of.ts";

/**
 * `callback` as a function that never throws; one that does nothing where there is no callback. Every callback that only watches is
 * called through this.
 *
 * What `callback` throws becomes an unhandled rejection, which is what becomes of an async callback that rejects. So both reach the
 * program in one place (the event `unhandledrejection`, on Node `process.on("unhandledRejection")`), and without a listener
 * the runtime reports them with their stack. They do not go to `onError`: that may be the callback that failed.
 *
 * @param name The option, for the message.
 * @throws {TypeError} If `callback` is neither a function nor undefined.
 */
export function contained<Arguments extends unknown[]>(
  name: string,
  callback: ((...args: Arguments) => unknown) | undefined,
): (...args: Arguments) => void {
  if (callback === undefined) return doNothing;
  if (typeof callback !== "function") {
    throw new TypeError(`Cannot use ${name}: expected a function, got ${kindOf(callback)}`);
  }
  return (...args) => {
    try {
      callback(...args);
    } catch (thrown) {
      void Promise.reject(thrown);
    }
  };
}

function doNothing(): void {}
