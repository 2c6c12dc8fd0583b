export function documents(): string[];
export function filled(markdown: string): string;
export function update(): void;
