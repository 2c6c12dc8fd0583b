export const HELLO: string;
export const LARGE: number;
export const CHUNKS: number;
export const CHUNK: number;
export const JSON_BODY: string;
export function nginxParams(bodyLength?: number): Record<string, string>;
