// The body of a request: a text, a file, or standard input. Its length is known before it is sent, because php-fpm takes a body without
// a length for none: what has no length is collected in a temporary file first.

import type { FileHandle } from "node:fs/promises";
import { openTemporaryFile } from "../../adapters/system/spool.ts";
import type { ByteReader, ByteSourceInit } from "../../src/toolkit.ts";
import { UsageError } from "../frame/command.ts";
import { openFile } from "../frame/open_file.ts";
import { untilAborted } from "../frame/signal.ts";

/** A body that can be sent several times. */
export interface RequestBody {
  readonly length: number;
  readonly contentType: string;
  /** Opens it at its start. `onSent` is called with the number of bytes that were taken so far. */
  open(onSent?: (bytes: number) => void): Promise<ByteSourceInit>;
  /** Gives back what it holds. */
  close(): Promise<void>;
}

const TEXT_TYPE = "application/x-www-form-urlencoded";
const FILE_TYPE = "application/octet-stream";
const READ_BYTES = 64 * 1024;

/**
 * The body that `--data` names.
 *
 * @throws {UsageError} If its file can't be read.
 */
export async function openBody(
  data: string,
  stdin: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<RequestBody> {
  if (data === "-" || data === "@-") return collected(stdin(), signal);
  if (data.startsWith("@")) return fileBody(data.slice(1), signal);
  const bytes = new TextEncoder().encode(data);
  return { length: bytes.length, contentType: TEXT_TYPE, open: async () => bytes, close: async () => {} };
}

/** @throws {UsageError} If the file can't be read. */
export async function fileBody(path: string, signal: AbortSignal): Promise<RequestBody> {
  const file = await openFile(path, "read", signal);
  const stats = await file.stat();
  if (stats.isDirectory()) {
    await file.close();
    throw new UsageError(`Cannot read ${path}: it is a folder`);
  }
  // Pipes and devices have no size, and files in /proc say 0 whatever is in them.
  if (!stats.isFile() || stats.size === 0) return collected(piecesOf(file, path), signal);
  return {
    length: stats.size,
    contentType: FILE_TYPE,
    async open(onSent) {
      let position = 0;
      return counted(
        {
          async read() {
            const value = await readPiece(file, path, position);
            position += value.length;
            return value.length === 0 ? { done: true } : { done: false, value };
          },
          cancel() {},
        },
        onSent,
      );
    },
    close: () => file.close(),
  };
}

/** The bytes of a file from its position on, which is closed then. */
async function* piecesOf(file: FileHandle, path: string): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const piece = await readPiece(file, path, null);
      if (piece.length === 0) return;
      yield piece;
    }
  } finally {
    await file.close();
  }
}

/** The bytes at a position, or at that of the file; none at its end. */
async function readPiece(file: FileHandle, path: string, position: number | null): Promise<Uint8Array> {
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES, position);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw cannotRead(path, error as Error);
  }
}

function cannotRead(path: string, error: Error): UsageError {
  return new UsageError(`Cannot read ${path}: ${error.message}`, { cause: error });
}

/** Reads a source of unknown length into a temporary file. */
async function collected(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<RequestBody> {
  const spool = await openTemporaryFile();
  const pieces = source[Symbol.asyncIterator]();
  let length = 0;
  try {
    for (;;) {
      // The next piece may never come.
      const { done, value } = await untilAborted(pieces.next(), signal);
      if (done) break;
      await spool.write(value);
      length += value.length;
    }
  } catch (error) {
    // A source that waits ends only with its next piece.
    void pieces.return?.().catch(() => {});
    await spool.close();
    throw error;
  }
  return {
    length,
    contentType: FILE_TYPE,
    async open(onSent) {
      // Closing the reader would close the file, which may be read again.
      const reader = spool.read();
      return counted({ read: () => reader.read(), cancel() {} }, onSent);
    },
    close: () => spool.close(),
  };
}

function counted(reader: ByteReader, onSent: ((bytes: number) => void) | undefined): ByteReader {
  if (onSent === undefined) return reader;
  let sent = 0;
  return {
    async read() {
      const result = await reader.read();
      sent += result.value?.length ?? 0;
      onSent(sent);
      return result;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}
