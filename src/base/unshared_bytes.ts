/**
 * Bytes in memory that no other thread shares, which is what Fetch takes: `Uint8Array<ArrayBuffer>`. TypeScript before 5.7 has no such type
 * and calls them `Uint8Array`.
 */
export type UnsharedBytes = ReturnType<Uint8Array["slice"]>;
