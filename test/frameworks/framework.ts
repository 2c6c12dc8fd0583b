// What is known of a framework before it is tried.

import type { Answer } from "../support/http_answer.ts";

/** What is tried of each framework that has it. */
export const ROWS = [
  "page",
  "HEAD",
  "route",
  "body",
  "form",
  "redirect",
  "cookies",
  "404",
  "error",
  "stream",
  "asset",
  "address",
  "URL",
  "waitUntil",
] as const;

/** What is compared beside that of applications that take (req, res). */
export const LISTENER_ROWS = ["early hints", "compression", "range", "broken off"] as const;
export type Row = (typeof ROWS)[number] | (typeof LISTENER_ROWS)[number];

/** What those are tried with beside the comparison. */
export const BATTERY = ["uploads", "clients that leave", "requests"] as const;
export type BatteryRow = (typeof BATTERY)[number];

/** A request to an app. */
export interface Exchange {
  readonly row: Row;
  /** Such as `GET /`. */
  readonly start: string;
  /** Each ends with CRLF. */
  readonly lines?: string;
  readonly body?: string;
  /** Asked once the first line of the response is here: the app does not send the second one before. */
  readonly release?: string;
  /** Asked over HTTPS, too. */
  readonly isAskedSecurely?: boolean;
}

/** How an answer over FastCGI differs from the native one. All that is not named here is the same. */
export interface Difference {
  readonly reason: string;
  readonly natively?: Partial<Answer>;
  readonly overFastCgi?: Partial<Answer>;
  readonly removedHeaders?: readonly string[];
  readonly addedHeaders?: readonly string[];
}

/** A framework, and its app: the folder of the same name in `apps`. */
export interface Framework {
  readonly title: string;
  /** The package whose version counts. */
  readonly package: string;
  /** The app's runtime: Node.js by default. */
  readonly runtime?: "bun";
  /** Further files and folders of this project that the app is made of. */
  readonly with?: readonly string[];
  /** The framework's own tools, with their arguments, that make the app ready. */
  readonly builds?: readonly (readonly string[])[];
  /** The program that serves the app over HTTP: `native.js` by default. */
  readonly native?: readonly string[];
  /** What that is, as a reader knows it. */
  readonly nativeServer: string;
  /** How that is told the scheme of a request, which it takes for https otherwise: the variable, and a field of each request. */
  readonly nativeScheme?: { readonly variables: Readonly<Record<string, string>>; readonly lines: string };
  /** The program that serves the app over FastCGI: `fastcgi.js` by default. */
  readonly fastCgi?: readonly string[];
  /** The line of that program by which the app is served. */
  readonly served: string;
  /** The folder of files that the web server sends: the framework leaves them to its server. */
  readonly files?: string;
  readonly exchanges: readonly Exchange[];
  /** Whether it takes (req, res): then it is put through the battery, too. */
  readonly isListener?: true;
  /** By the start of the request. */
  readonly differences?: Readonly<Record<string, Difference>>;
  /** What its own server adds to the header lines of most answers. */
  readonly additions?: { readonly text: RegExp; readonly reason: string };
  /** What is different in every answer of the same program, such as a token. */
  readonly changing?: RegExp;
}

/** What came out when a framework was tried. */
export interface Result {
  readonly title: string;
  readonly package: string;
  readonly version: string;
  readonly runtime: string;
  readonly nativeServer: string;
  readonly served: string;
  readonly rows: readonly Row[];
  /** Whether it was put through the battery. */
  readonly isListener?: true;
  /** Whether the web server sends the files. */
  readonly filesByWebServer: boolean;
  readonly exchanges: number;
  /** The differences that are explained. */
  readonly differences: readonly { readonly start: string; readonly reason: string }[];
  /** What its own server adds to the header lines of most answers. */
  readonly additions?: string;
  /** Differences that are not. */
  readonly faults: readonly string[];
}
