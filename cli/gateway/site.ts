// The handler: an application for all paths, or a folder with scripts and files, and further folders below prefixes.

import { type FolderOnDiskOptions, fileOnDisk, scriptOnDisk } from "../../adapters/system/index.ts";
import { type FastCgiAuthorizer, type FastCgiHttpClient, phpSite, withAuthorizer } from "../../src/toolkit.ts";
import { filesIn } from "./files.ts";
import type { ServerRequest } from "./http.ts";

/** A folder, and the paths that lead into it. */
export interface Mount {
  /** The beginning of the paths, such as `/blog`; empty for all paths. */
  readonly prefix: string;
  /** An absolute path. */
  readonly folder: string;
}

/** What answers, and by which rules. */
export interface SiteOptions {
  readonly php: FastCgiHttpClient;
  /** The folders. Without one, every request goes to the application. */
  readonly mounts: readonly Mount[];
  readonly mayLinkTo: readonly string[];
  /** The path of the script below each prefix; null for none. */
  readonly frontController: string | null;
  readonly params: readonly (readonly [string, string])[];
  readonly authorizer: FastCgiAuthorizer | null;
  /** Called with the reason why a file is not sent, or a script not run, although it is there. */
  readonly onRefused: (message: string) => void;
}

export type SiteHandler = (request: ServerRequest) => Promise<Response>;

/** Variables that an authorizer has set (FastCGI 6.3). */
type Variables = ReadonlyMap<string, string>;

export function siteFor(options: SiteOptions): SiteHandler {
  const { php, params, authorizer } = options;
  const initFor = (request: ServerRequest, variables: Variables) => ({
    ...peersOf(request),
    params: [...protocolOf(request), ...params, ...variables],
  });
  const handlers = options.mounts.map((mount) => [mount.prefix, folderHandler(mount, options, initFor)] as const);
  // The longest prefix counts.
  handlers.sort(([a], [b]) => b.length - a.length);
  const handle = async (request: ServerRequest, variables: Variables): Promise<Response> => {
    if (handlers.length === 0) return php.fetch(request, initFor(request, variables));
    const path = pathOf(request);
    const [, handler] = handlers.find(([prefix]) => isBelow(path, prefix))!;
    return handler(request, variables);
  };
  if (authorizer === null) return (request) => handle(request, new Map());
  return withAuthorizer(authorizer, (request: ServerRequest, { variables }) => handle(request, variables), peersOf);
}

function folderHandler(
  { prefix, folder }: Mount,
  { php, mounts, mayLinkTo, frontController, onRefused }: SiteOptions,
  initFor: (request: ServerRequest, variables: Variables) => object,
): (request: ServerRequest, variables: Variables) => Promise<Response> {
  const links: FolderOnDiskOptions = { mayLinkTo, onRefused };
  const [script, file, send] = [
    scriptOnDisk(folder, links),
    fileOnDisk(folder, links),
    filesIn(folder, { mayLinkTo, onRefused }),
  ];
  const main = mounts.find((mount) => mount.prefix === "")!;
  const inside = (path: string): string => path.slice(prefix.length);
  return phpSite<ServerRequest, [Variables]>({
    documentRoot: main.folder,
    async resolve(scriptName) {
      const found = await script(inside(scriptName));
      // Below a prefix, DOCUMENT_ROOT stays that of the site, as with Apache's Alias.
      return found === null || prefix === "" ? found : { filename: found.filename };
    },
    resolveFile: (path) => file(inside(path)),
    php,
    files: async (request) => send(inside(decodeURIComponent(new URL(request.url).pathname)), request),
    frontController: frontController && prefix + frontController,
    init: initFor,
  });
}

/** Who asks, over which connection. */
function peersOf({ ip, runtime }: ServerRequest): {
  remoteAddress?: string;
  remotePort?: number;
  serverAddress?: string;
  serverPort?: number;
  tlsProtocol?: string;
} {
  const socket = runtime?.node?.req.socket;
  // Undefined where the client has left.
  const { remotePort, localAddress, localPort } = socket ?? {};
  const tlsProtocol = socket !== undefined && "getProtocol" in socket ? socket.getProtocol() : null;
  return {
    ...(ip !== undefined && { remoteAddress: ip }),
    ...(remotePort !== undefined && { remotePort }),
    ...(localAddress !== undefined && { serverAddress: localAddress }),
    ...(localPort !== undefined && { serverPort: localPort }),
    ...(typeof tlsProtocol === "string" && { tlsProtocol }),
  };
}

/** What the client speaks, such as HTTP/2.0, where the runtime says it. */
function protocolOf({ runtime }: ServerRequest): [name: string, value: string][] {
  const version = runtime?.node?.req.httpVersion;
  return version === undefined ? [] : [["SERVER_PROTOCOL", `HTTP/${version}`]];
}

/** The path as the rules compare it. A path that can't be decoded is refused by all of them alike. */
function pathOf({ url }: Request): string {
  const { pathname } = new URL(url);
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || prefix === "" || path[prefix.length] === "/");
}
