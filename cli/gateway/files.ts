// The files of a folder. The library has decided that a path is public; this finds the file that it leads to, and answers as RFC 9110
// says: type, length, ranges, validators, compression.

import { createReadStream, type Stats } from "node:fs";
import { Readable } from "node:stream";
import { constants } from "node:zlib";
import { LazyFile } from "@remix-run/lazy-file";
import { detectContentType, isCompressibleMimeType } from "@remix-run/mime";
import { compressResponse } from "@remix-run/response/compress";
import { createFileResponse } from "@remix-run/response/file";
import { FolderOnDisk, type FolderOnDiskOptions } from "../../adapters/system/folder_on_disk.ts";
import { isPublicPath } from "../../src/toolkit.ts";

/** The page of a folder that has no script of its own. */
const INDEX = "index.html";

/** The most bytes of a file that is compressed, anew for each request. */
const MAX_COMPRESSED = 10_000_000;

/** What can be done for every request anew: the quality 11, which is the default, takes seconds. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

/** The ranges that are answered by a part: one. A file server may send the whole file instead (RFC 9110 14.2). */
const ONE_RANGE = /^bytes=(?:\d+-\d*|-\d+)$/;

/**
 * Sends files of a folder. `path` is the decoded path inside it, which is public. Null if there is no such file.
 *
 * @throws {Error} If the disk fails.
 */
export function filesIn(
  folder: string,
  options: Pick<FolderOnDiskOptions, "mayLinkTo">,
): (path: string, request: Request) => Promise<Response | null> {
  const files = new FolderOnDisk(folder, "files", "send", options);
  return async (path, request) => {
    const found = await files.find(path);
    if (found.kind !== "there") return null;
    const { target, stats } = found;
    // A file has no slash behind its name: relative links of the page would lead elsewhere.
    if (stats.isFile()) return path.endsWith("/") ? null : sendFile(target, stats, request);
    if (!stats.isDirectory()) return null;
    const index = await files.find(`${path}/${INDEX}`);
    if (index.kind !== "there" || !index.stats.isFile()) return null;
    // It may be a link to a source.
    if (!isPublicPath(`/${index.inside.replaceAll("%", "%25")}`)) return null;
    return path.endsWith("/") ? sendFile(index.target, index.stats, request) : withSlash(request);
  };
}

/** Without the slash, relative links of the page would lead to the folder above. */
function withSlash({ url }: Request): Response {
  const { pathname, search } = new URL(url);
  return new Response(null, { status: 308, headers: { location: `${pathname}/${search}` } });
}

async function sendFile(path: string, { size, mtimeMs }: Stats, request: Request): Promise<Response> {
  const type = detectContentType(path) ?? "application/octet-stream";
  const isCompressible = isCompressibleMimeType(type) && size <= MAX_COMPRESSED;
  const content = { byteLength: size, stream: (start = 0, end = size) => streamOf(path, start, end) };
  const file = new LazyFile(content, path, { type, lastModified: Math.floor(mtimeMs) });
  const isPart = request.headers.has("range");
  // Of what is compressed there are no parts.
  const acceptRanges = isPart || !isCompressible;
  const response = await createFileResponse(file, isPart ? withOneRange(request) : request, { acceptRanges });
  if (!isCompressible) return response;
  response.headers.append("vary", "accept-encoding");
  return isPart ? response : compressResponse(response, request, { encodings: ["br", "gzip"], brotli: BROTLI });
}

/** The request, or one for the whole file if it asks for parts that are not sent. */
function withOneRange(request: Request): Request {
  if (ONE_RANGE.test(request.headers.get("range") ?? "")) return request;
  const headers = new Headers([...request.headers].filter(([name]) => name !== "range"));
  return new Request(request.url, { method: request.method, headers });
}

/** The bytes of a file from `start` to before `end`: as many as were announced, or the stream fails. The file may grow or shrink meanwhile. */
function streamOf(path: string, start: number, end: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = end - start;
  if (left === 0) return new Blob().stream();
  const bytes = Readable.toWeb(createReadStream(path, { start, end: end - 1 }));
  const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(piece, controller) {
      left -= piece.byteLength;
      controller.enqueue(piece);
    },
    flush(controller) {
      if (left > 0) controller.error(new Error(`Cannot send ${path} to its end: ${left} bytes of it are gone`));
    },
  });
  return (bytes as unknown as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(counting);
}
