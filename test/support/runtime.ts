// The unit tests run on several runtimes (scripts/runtime_tests.mjs). One that a runtime can't run says why: `skip(isBun, "…")`.

/** The tests run on Bun. */
export const isBun: boolean = "Bun" in globalThis;

/** The tests run on Deno. */
export const isDeno: boolean = "Deno" in globalThis;
