import { execFile } from "node:child_process";
import { readdirSync, readlinkSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, FastCgiUnixConnector } from "../../adapters/node/index.ts";
import { openTemporaryFile } from "../../adapters/system/spool.ts";
import { sha256 } from "../support/bytes.ts";
import { patternBytes, patternChunks, patternSha256 } from "../support/pattern.ts";
import { counting } from "../support/php_client.ts";
import { streamOf } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";

type Spool = Awaited<ReturnType<typeof openTemporaryFile>>;

const MIB = 1024 * 1024;
const program = fileURLToPath(new URL("programs/fill_spool.ts", import.meta.url));
const hasProc = process.platform === "linux";
let folder: TemporaryDirectory;
let usual: string | undefined;

beforeAll(async () => {
  folder = await createTemporaryDirectory("spool");
  usual = process.env.TMPDIR;
  process.env.TMPDIR = folder.path;
});

afterAll(async () => {
  if (usual === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = usual;
  await folder.remove();
});

async function opened(): Promise<Spool> {
  const spool = await openTemporaryFile();
  onTestFinished(() => spool.close());
  return spool;
}

async function contentOf(spool: Spool): Promise<Uint8Array> {
  const reader = spool.read();
  const pieces: Uint8Array[] = [];
  for (let result = await reader.read(); !result.done; result = await reader.read()) pieces.push(result.value!);
  return Buffer.concat(pieces);
}

/** Descriptors of this process that lead to files of the folder. */
function openFiles(): string[] {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder.path);
    } catch {
      return false; // The one that the folder was read with.
    }
  });
}

describe("openTemporaryFile", () => {
  it("openTemporaryFile gives back what was written when it is 10 MiB", async () => {
    const spool = await opened();
    for (const piece of patternChunks(10 * MIB, 100_000)) await spool.write(piece);
    const content = await contentOf(spool);
    expect(content.length).toBe(10 * MIB);
    expect(sha256(content)).toBe(patternSha256(10 * MIB));
  });

  it("openTemporaryFile gives back what was written when it is one large piece, or views of one", async () => {
    const spool = await opened();
    const bytes = patternBytes(3 * MIB + 1);
    await spool.write(bytes.subarray(0, 2 * MIB));
    await spool.write(new Uint8Array());
    await spool.write(bytes.subarray(2 * MIB));
    expect(sha256(await contentOf(spool))).toBe(sha256(bytes));
  });

  it("openTemporaryFile gives nothing when nothing was written", async () => {
    expect(await (await opened()).read().read()).toEqual({ done: true });
  });

  it("openTemporaryFile reads from the start again when it is read again, and at the same time", async () => {
    const spool = await opened();
    await spool.write(patternBytes(200_000));
    const contents = await Promise.all([contentOf(spool), contentOf(spool)]);
    contents.push(await contentOf(spool));
    expect(contents.map((content) => sha256(content))).toEqual(Array(3).fill(patternSha256(200_000)));
  });

  it("openTemporaryFile appends when it was read before", async () => {
    const spool = await opened();
    await spool.write(patternBytes(100_000));
    await contentOf(spool);
    await spool.write(patternBytes(100_000, 100_000));
    expect(sha256(await contentOf(spool))).toBe(patternSha256(200_000));
  });

  it("openTemporaryFile stays at its end when it is read beyond it", async () => {
    const spool = await opened();
    await spool.write(patternBytes(10));
    const reader = spool.read();
    expect((await reader.read()).value).toEqual(patternBytes(10));
    for (let read = 0; read < 3; read++) expect(await reader.read()).toEqual({ done: true });
  });

  it("openTemporaryFile leaves nothing in the folder when it is open, and when it is closed", async () => {
    const spool = await opened();
    await spool.write(patternBytes(100_000));
    expect(readdirSync(folder.path)).toEqual([]);
    await spool.close();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it.skipIf(!hasProc)("openTemporaryFile lets only this user read the file when it is open", async () => {
    await opened();
    const [fd] = openFiles();
    const stat = statSync(`/proc/self/fd/${fd}`);
    expect(stat.mode & 0o777).toBe(0o600);
    expect(stat.nlink).toBe(0);
    expect(stat.uid).toBe(process.getuid!());
  });

  it.skipIf(!hasProc)("openTemporaryFile holds no descriptor when it is closed or its reader cancelled", async () => {
    const [one, two] = [await openTemporaryFile(), await openTemporaryFile()];
    expect(openFiles()).toHaveLength(2);
    await one.close();
    await two.read().cancel("enough");
    expect(openFiles()).toEqual([]);
  });

  it("openTemporaryFile does nothing when it is closed again", async () => {
    const spool = await opened();
    await Promise.all([spool.close(), spool.close(), spool.read().cancel("enough")]);
    await spool.close();
  });

  it("openTemporaryFile rejects when it is used after it was closed", async () => {
    const spool = await opened();
    await spool.write(patternBytes(10));
    const reader = spool.read();
    await spool.close();
    await expect(spool.write(patternBytes(10))).rejects.toThrow("closed");
    await expect(reader.read()).rejects.toThrow("closed");
  });

  it("openTemporaryFile rejects when the folder is missing", async () => {
    process.env.TMPDIR = join(folder.path, "missing");
    try {
      await expect(openTemporaryFile()).rejects.toThrow("ENOENT");
    } finally {
      process.env.TMPDIR = folder.path;
    }
  });

  it("openTemporaryFile rejects the write when the file may not grow any more", async () => {
    // In blocks of 512 bytes or 1 KiB: in the middle of a piece, so that the write before it is a short one.
    const args = ["-c", 'ulimit -f 1001 && exec "$@"', "sh", process.execPath, "--import", "tsx", program];
    const { stdout } = await promisify(execFile)("sh", args, {
      env: { ...process.env, TMPDIR: folder.path, TSX_DISABLE_CACHE: "1" },
    });
    const { pieces, code } = JSON.parse(stdout);
    expect(code).toBe("EFBIG");
    expect([7, 15]).toContain(pieces);
    expect(readdirSync(folder.path)).toEqual([]);
  });

  /** A disk of 512 KiB that is the folder for temporary files until the test ends; null where it takes root to have one. */
  async function smallDisk(): Promise<string | null> {
    const disk = join(folder.path, "disk");
    await mkdir(disk, { recursive: true });
    const mount = promisify(execFile)("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]);
    const mounted = await mount.then(
      () => true,
      () => false,
    );
    if (!mounted) return null;
    process.env.TMPDIR = disk;
    onTestFinished(async () => {
      process.env.TMPDIR = folder.path;
      await promisify(execFile)("umount", ["-l", disk]);
    });
    return disk;
  }

  it("openTemporaryFile rejects the write when the disk is full", async ({ skip }) => {
    const disk = await smallDisk();
    if (disk === null) return skip("Only root can mount a small disk, and seldom in a container");
    const env = { ...process.env, TSX_DISABLE_CACHE: "1" };
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program], { env });
    expect(JSON.parse(stdout)).toEqual({ pieces: 8, code: "ENOSPC" });
    expect(readdirSync(disk)).toEqual([]);
  });

  it("FastCgiHttpClient sends nothing, and leaves nothing behind, when the disk is full", async ({ skip }) => {
    const disk = await smallDisk();
    if (disk === null) return skip("Only root can mount a small disk, and seldom in a container");
    const { count, connector } = counting(
      FastCgiUnixConnector.phpFpm(join(folder.path, "none.sock"), "/srv/index.php"),
    );
    const client = new FastCgiHttpClient(connector);
    for (const headers of [{}, { "content-length": String(2 * MIB) }] as Record<string, string>[]) {
      const body = streamOf(...patternChunks(2 * MIB));
      const upload = client.fetch("http://a.test/", { method: "PUT", body, headers, duplex: "half" } as RequestInit);
      await expect(upload).rejects.toMatchObject({
        code: "spoolFailed",
        gatewayStatus: 500,
        message: expect.stringContaining("ENOSPC"),
      });
      expect(count.opened).toBe(0);
      expect(readdirSync(disk)).toEqual([]);
      if (hasProc) expect(openFiles()).toEqual([]);
    }
  });
});
