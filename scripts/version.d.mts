export function writeVersion(folder: string): void;
