import { FastCgiError } from "../../src/index.ts";

/** What `promise` rejects with, which must be a {@linkcode FastCgiError}. */
export async function fastCgiErrorOf(promise: Promise<unknown>): Promise<FastCgiError> {
  const error = await promise.then(
    (value) => new Error(`Expected a failure, got ${String(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof FastCgiError) return error;
  throw error;
}
