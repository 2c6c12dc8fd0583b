import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteReader, Spool } from "../../src/toolkit.ts";

const READ_BYTES = 64 * 1024;

/**
 * Opens a temporary file for a request body. Its name is removed at once, so no other process can open it, and no file is left behind
 * when the process is killed.
 */
export async function openTemporaryFile(): Promise<Spool> {
  return openUnnamed(join(tmpdir(), `fetchcgi-${crypto.randomUUID()}`), "wx+");
}

/** Opens a file that no other process uses, and removes its name. */
export async function openUnnamed(path: string, flags: "r+" | "wx+"): Promise<Spool> {
  // With its parts it takes a tenth of a short program's time, and few requests need a file.
  const { open, unlink } = await import("node:fs/promises");
  const file = await open(path, flags, 0o600);
  try {
    await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return new TemporaryFile(file);
}

class TemporaryFile implements Spool {
  readonly #file: FileHandle;
  #closed: Promise<void> | null = null;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let start = 0; start < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, start);
      start += bytesWritten;
    }
  }

  read(): ByteReader {
    let position = 0;
    return {
      read: async () => {
        const { bytesRead, buffer } = await this.#file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES, position);
        position += bytesRead;
        return bytesRead === 0 ? { done: true } : { done: false, value: buffer.subarray(0, bytesRead) };
      },
      cancel: () => this.close(),
    };
  }

  close(): Promise<void> {
    this.#closed ??= this.#file.close();
    return this.#closed;
  }
}
