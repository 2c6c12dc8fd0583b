export type ProgramName = "nginx" | "php-fpm" | "php-cgi" | "fcgiwrap" | "go" | "cc" | "libfcgi" | "perl" | "perl-fcgi";

export function ensurePackages(): Promise<void>;
export function ensureServers(names?: readonly ProgramName[]): Promise<void>;
export function findProgram(name: ProgramName): string | undefined;
export function requireProgram(name: ProgramName): string;
