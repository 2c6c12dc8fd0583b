import type { Page } from "playwright-core";
import type { MariaDb } from "../support/mariadb.ts";

export const PASSWORD = "a-password-of-the-site-1";

/** A site, ready to be served. */
export interface PreparedSite {
  /** The document root. */
  readonly root: string;
  /** More arguments for `fetchcgi gateway`. */
  readonly args: readonly string[];
}

/** A program of PHP that people run. */
export interface Site {
  readonly name: string;
  /** Debian's packages, the site's own one first. */
  readonly packages: readonly string[];
  /** What is done in the browser, for the table. */
  readonly tasks: string;
  /** `folder` has the packages. */
  prepare(folder: string, database: MariaDb): Promise<PreparedSite>;
  /** What a user does in a browser, up to the last page before leaving. Throws if a page does not show what it should. */
  use(page: Page, url: string, folder: string, database: MariaDb): Promise<void>;
  /** Logs out. */
  leave(page: Page, url: string): Promise<void>;
  /** The GET requests that make something each time, so that they are not sent again. */
  readonly making?: RegExp;
  /** What differs from answer to answer of the same server, such as times and tokens: what it is, and how it looks. */
  readonly changing: Readonly<Record<string, readonly RegExp[]>>;
}
