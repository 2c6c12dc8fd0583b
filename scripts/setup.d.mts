export type ProgramName =
  | "nginx"
  | "apache2"
  | "mod_fcgid"
  | "lighttpd"
  | "caddy"
  | "haproxy"
  | "h2o"
  | "php-fpm"
  | "php-cgi"
  | "fcgiwrap"
  | "go"
  | "cc"
  | "libfcgi"
  | "perl"
  | "perl-fcgi";

export type RuntimeName = "bun" | "deno" | "workerd";

export function ensurePackages(): Promise<void>;
export function ensureRuntimes(): Promise<void>;
export function ensureBenchPackages(): Promise<void>;
export function ensureServers(names?: readonly ProgramName[]): Promise<void>;
export function findProgram(name: ProgramName): string | undefined;
export function requireProgram(name: ProgramName): string;
export function requireRuntime(name: RuntimeName): string;
