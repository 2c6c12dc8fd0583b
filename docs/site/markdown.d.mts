export interface Block {
  /** What stands behind the fence: the language, and the file of the project that the block shows. */
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
  /** Line of its opening fence, from 1. */
  readonly line: number;
}
export interface Link {
  readonly target: string;
  readonly line: number;
}
export function blocksOf(markdown: string): Block[];
export function linksOf(markdown: string): Link[];
export function anchorsOf(markdown: string): Set<string>;
export function mapLinks(markdown: string, change: (target: string) => string): string;
export function slug(heading: string): string;
