import { createHash } from "node:crypto";
import { httpRequest } from "./http.ts";
import { patternBytes } from "./pattern.ts";

const PATHS = ["/hello.php", "/big.php?bytes=400000", "/upload-digest.php", "/headers.php"] as const;

/** What clients get from the scripts of test/interop/php for many requests at once: digests of bodies, in the order of the requests. */
export function phpDigests(url: string, requests: number): Promise<string[]> {
  const upload = patternBytes(300_000);
  const one = async (number: number): Promise<string> => {
    const path = PATHS[number % PATHS.length]!;
    const { status, body } = await httpRequest(url + path, path === "/upload-digest.php" ? { body: upload } : {});
    return `${path} ${status} ${createHash("sha256").update(body).digest("hex")}`;
  };
  return Promise.all(Array.from({ length: requests }, (_, number) => one(number)));
}
