export function proofTable(ledger: string): string;
