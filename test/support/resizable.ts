/** Bytes in a buffer that can change its size. TypeScript knows it only of later libraries. */
export function resizable(length: number): { bytes: Uint8Array; resize(length: number): void } {
  const options = { maxByteLength: 8 };
  const buffer: ArrayBuffer & { resize?(length: number): void } = Reflect.construct(ArrayBuffer, [length, options]);
  return { bytes: new Uint8Array(buffer), resize: (changed) => buffer.resize!(changed) };
}
