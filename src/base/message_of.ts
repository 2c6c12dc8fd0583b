/** The message of a thrown value, which may be of any type. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    // An object without a prototype, a getter of the program's that throws, a revoked proxy.
    return "no text";
  }
}
