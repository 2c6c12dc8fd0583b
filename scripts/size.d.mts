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
export function sizes(entry?: string): Promise<Size[]>;
