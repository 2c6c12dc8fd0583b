/** The kind of a value, for messages. The value itself may be long or secret. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  // "[object Blob]": the name that the object gives itself, the same for every copy of its class.
  return typeof value === "object" ? Object.prototype.toString.call(value).slice(8, -1) : typeof value;
}
