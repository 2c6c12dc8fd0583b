export interface User {
  readonly name: string;
  readonly program: string;
  readonly types: readonly string[];
  readonly lib: readonly string[] | undefined;
}

export interface Compilation {
  readonly typescript: string;
  readonly installed: string;
  readonly folder: string;
  readonly typesIn: string;
  readonly resolution: string;
  readonly user: User;
}

export const OLDEST_TYPESCRIPT: string;
export const users: readonly User[];
export const wrongUser: User;
export const resolutions: Readonly<Record<string, object>>;
export function resolutionsOf(version: string): string[];
export function declarationErrors(compilation: Compilation): Promise<string[]>;
