export const HELLO: string;
export const LARGE: number;
export const CHUNKS: number;
export const CHUNK: number;
export function nginxParams(bodyLength?: number): Record<string, string>;
