export function withMemory(document: string, ledger: string): string;
export function limitsSection(ledger: string): string[];
