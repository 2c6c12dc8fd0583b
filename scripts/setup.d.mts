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
  | "spawn-fcgi"
  | "multiwatch"
  | "systemd-socket-activate"
  | "ip"
  | "go"
  | "cc"
  | "libfcgi"
  | "perl"
  | "perl-fcgi"
  | "wordpress"
  | "wordpress-theme"
  | "mariadbd"
  | "php-mysql"
  | "php-gd"
  | "apache2-configuration"
  | "curl"
  | "chromium";

export type RuntimeName = "bun" | "deno" | "workerd" | "node22" | "node24" | "node26";

export function ensurePackages(): Promise<void>;
export function ensureRuntimes(): Promise<void>;
export function ensureBenchPackages(): Promise<void>;
export function ensureServers(names?: readonly ProgramName[]): Promise<void>;
export function findProgram(name: ProgramName): string | undefined;
export function requireProgram(name: ProgramName): string;
export function findRuntime(name: RuntimeName): string | undefined;
export function requireRuntime(name: RuntimeName): string;
export function commandOf(name: string): [command: string, ...args: string[]];
