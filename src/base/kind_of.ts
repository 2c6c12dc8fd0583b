/** For messages: what kind of value `value` is. Not the value itself, which may be long, or secret. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  // "[object Blob]": the name that the object itself gives, whichever copy of its class made it.
  return typeof value === "object" ? Object.prototype.toString.call(value).slice(8, -1) : typeof value;
}
