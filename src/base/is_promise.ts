/**
 * Whether `value` must be waited for. By its member, because libraries have promises of their own, and some replace the
 * global class.
 */
export function isPromise<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as Partial<PromiseLike<Value>> | null | undefined)?.then === "function";
}
