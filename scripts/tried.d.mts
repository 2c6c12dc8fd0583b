export const ledgerFile: string;
export function needsRuntimes(what: string, args: readonly string[]): boolean;
export function tryOut(what: string, program: string, args: readonly string[]): Promise<void>;
