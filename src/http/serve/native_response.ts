/**
 * The runtime's own class, also where a program replaces the global one later. It has to be read now: nothing else leads to it once it
 * was replaced. On Node.js reading it loads the HTTP client, a third of the time that importing this library takes.
 */
export const NativeResponse: typeof Response = /* @__PURE__ */ (() => globalThis.Response)();
