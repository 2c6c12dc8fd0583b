/**
 * The runtime's own class, even if a program replaces the global one later. It is read when this file is loaded:
 * afterwards nothing else leads to the replaced class. On Node.js reading it loads the HTTP client, a third of the time
 * that importing this library takes.
 */
export const NativeResponse: typeof Response = /* @__PURE__ */ (() => globalThis.Response)();
