export interface Size {
  readonly name: string;
  /** Bytes. */
  readonly minified: number;
  /** Bytes. */
  readonly gzipped: number;
  /** The source files that are in it. */
  readonly files: readonly string[];
}

export const MAX_CLIENT_BYTES: number;
/** @param doors Files by the name that programs import them by. */
export function sizes(doors?: Readonly<Record<string, string>>): Promise<Size[]>;
