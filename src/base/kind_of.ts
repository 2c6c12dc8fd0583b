/** The kind of a value, for messages. The value itself may be long or secret. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  // "[object Blob]": the name that the object gives itself, the same for every copy of its class.
  if (typeof value !== "object") return typeof value;
  try {
    return Object.prototype.toString.call(value).slice(8, -1);
  } catch {
    // A revoked proxy, or a getter of the program's that throws.
    return "object";
  }
}
