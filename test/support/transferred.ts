/** Transfers the buffer of `bytes` away, as `postMessage` does: they look as if there were none afterwards. */
export function transferred(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}
