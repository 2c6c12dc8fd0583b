// The files of a folder. The library has decided that a path is public; this opens the file that it leads to, and answers as RFC 9110
// says: type, length, ranges, validators, compression.

import { constants } from "node:zlib";
import { LazyFile } from "@remix-run/lazy-file";
import { detectContentType, isCompressibleMimeType } from "@remix-run/mime";
import { compressResponse } from "@remix-run/response/compress";
import { createFileResponse } from "@remix-run/response/file";
import { printable } from "../../adapters/shared/print.ts";
import { FolderOnDisk, type FolderOnDiskOptions, type PathOnDisk } from "../../adapters/system/folder_on_disk.ts";
import { isPublicPath } from "../../src/toolkit.ts";
import { type OpenFile, openFile } from "./open_file.ts";

/** The page of a folder that has no script of its own. */
const INDEX = "index.html";

/** The type of bytes that can be anything, such as what is compressed already. */
const UNKNOWN = "application/octet-stream";

/** The most bytes of a file that is compressed, anew for each request. */
const MAX_COMPRESSED = 10_000_000;

/** What can be done for every request anew: the quality 11, which is the default, takes seconds. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

/** The ranges that are answered by a part: one, with bytes in it. A file server may send the whole file instead (RFC 9110 14.2). */
const ONE_RANGE = /^bytes=(?:(\d+)-(\d*)|-0*[1-9]\d*)$/;

/** Bytes that are read at once. */
const READ_BYTES = 64 * 1024;

/** The most characters of a path in a message. */
const MAX_SHOWN = 512;

/** What a folder's files are sent by. */
export interface FilesOptions extends Pick<FolderOnDiskOptions, "mayLinkTo"> {
  /** Called with the reason why a file that is there is not sent. */
  readonly onRefused?: (message: string) => void;
}

/**
 * Sends files of a folder. `path` is the decoded path inside it, which is public. Null if there is no such file.
 *
 * @throws {Error} If the disk fails.
 */
export function filesIn(
  folder: string,
  { mayLinkTo = [], onRefused = () => {} }: FilesOptions,
): (path: string, request: Request) => Promise<Response | null> {
  const files = new FolderOnDisk(folder, "files", "send", { mayLinkTo });

  /** The file, or null for one that is not sent. */
  const openPublic = async (path: string, found?: PathOnDisk): Promise<OpenFile | null> => {
    const opened = await openFile(files, path, found).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EACCES" && error.code !== "EPERM") throw error;
      onRefused(`Cannot send ${printable(path, MAX_SHOWN)}: this user may not read it (${error.code})`);
      return null;
    });
    // It may be reached by a link that leads to a source, since just now too.
    if (opened === null || isPublicPath(`/${opened.inside.replaceAll("%", "%25")}`)) return opened;
    await opened.close();
    return null;
  };

  return async (path, request) => {
    const found = await files.find(path);
    if (found.kind !== "there") return null;
    // A file has no slash behind its name: relative links of the page would lead elsewhere.
    const isFile = found.stats.isFile();
    if (isFile ? path.endsWith("/") : !found.stats.isDirectory()) return null;
    const opened = await (isFile ? openPublic(path, found) : openPublic(`${path}/${INDEX}`));
    if (opened === null) return null;
    if (isFile || path.endsWith("/")) return sendFile(opened, request);
    await opened.close();
    return withSlash(request);
  };
}

/** Without the slash, relative links of the page would lead to the folder above. */
function withSlash({ url }: Request): Response {
  const { pathname, search } = new URL(url);
  return new Response(null, { status: 308, headers: { location: `${pathname}/${search}` } });
}

/** Sends a file, and closes it: at the end of the response, or now if that has nothing of it. */
async function sendFile(opened: OpenFile, request: Request): Promise<Response> {
  const {
    target,
    stats: { size, mtimeMs },
  } = opened;
  const type = detectContentType(target) ?? UNKNOWN;
  const isCompressible = type !== UNKNOWN && isCompressibleMimeType(type) && size <= MAX_COMPRESSED;
  const content = { byteLength: size, stream: (start = 0, end = size) => streamOf(opened, start, end) };
  const file = new LazyFile(content, target, { type, lastModified: Math.floor(mtimeMs) });
  let response: Response | undefined;
  try {
    response = await answerWith(file, isCompressible, request);
    return response;
  } finally {
    if (!response?.ok || response.body === null || size === 0) await opened.close();
  }
}

async function answerWith(file: LazyFile, isCompressible: boolean, request: Request): Promise<Response> {
  // Of an empty file there is no part.
  const isPart = file.size > 0 && request.headers.has("range");
  // Of what is compressed there are no parts.
  const acceptRanges = isPart || !isCompressible;
  const response = await createFileResponse(file, withOneRange(request, isPart), { acceptRanges });
  if (!isCompressible) return response;
  response.headers.append("vary", "accept-encoding");
  return isPart ? response : compressResponse(response, request, { encodings: ["br", "gzip"], brotli: BROTLI });
}

/** The request, or one for the whole file if it asks for parts that are not sent. */
function withOneRange(request: Request, isPart: boolean): Request {
  const range = request.headers.get("range");
  if (range === null) return request;
  const [found, first = "0", last = ""] = ONE_RANGE.exec(range) ?? [];
  if (isPart && found !== undefined && (last === "" || Number(first) <= Number(last))) return request;
  const headers = new Headers([...request.headers].filter(([name]) => name !== "range"));
  return new Request(request.url, { method: request.method, headers });
}

/**
 * The bytes of a file from `start` to before `end`: as many as were announced, or the stream fails. The file may grow or shrink meanwhile.
 * It closes the file at its end.
 */
function streamOf(file: OpenFile, start: number, end: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = start;
  if (position === end) return new Blob().stream();
  let reading: Promise<unknown> = Promise.resolve();
  const next = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const size = Math.min(READ_BYTES, end - position);
    const { bytesRead, buffer } = await file.handle.read(new Uint8Array(size), 0, size, position);
    if (bytesRead === 0)
      throw new Error(`Cannot send ${file.target} to its end: ${end - position} bytes of it are gone`);
    position += bytesRead;
    return buffer.subarray(0, bytesRead);
  };
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = next();
        reading = piece.catch(() => {});
        try {
          controller.enqueue(await piece);
        } catch (error) {
          await file.close();
          throw error;
        }
        if (position < end) return;
        await file.close();
        controller.close();
      },
      async cancel() {
        await reading;
        await file.close();
      },
    },
    { highWaterMark: 0 },
  );
}
