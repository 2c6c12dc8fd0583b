export interface Page {
  /** Where it is on the site, without `.html`. */
  readonly site: string;
  /** Its file in the project. */
  readonly file: string;
  /** Its name in the sidebar. */
  readonly text: string;
}
export const sections: readonly { readonly text: string; readonly pages: readonly Page[] }[];
export const pages: readonly Page[];
