import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { UsageError } from "../frame/command.ts";
import { untilAborted } from "../frame/signal.ts";
import type { Certificate } from "./http.ts";

/** Milliseconds that a certificate of our making is valid: 90 days. Browsers accept no more than 398. */
const VALID = 90 * 24 * 60 * 60 * 1000;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** The files of --cert and --key. They may be pipes, such as `/dev/fd/63` of a shell, whose writer is late or never comes. */
export class CertificateFiles {
  readonly #certFile: string;
  readonly #keyFile: string;
  #reading = 0;

  constructor(certFile: string, keyFile: string) {
    this.#certFile = certFile;
    this.#keyFile = keyFile;
  }

  /** Whether a file is being read. That can't be cancelled: a pipe without a writer keeps the process. */
  get isReading(): boolean {
    return this.#reading > 0;
  }

  /**
   * Reads both.
   *
   * @throws The reason of `signal`, if that aborts first.
   * @throws {UsageError} If a file can't be read, or the key is not that of the certificate.
   */
  async read(signal: AbortSignal): Promise<Certificate> {
    const cert = await untilAborted(this.#text("--cert", this.#certFile), signal);
    // One file may have both: a pipe can be read once.
    const isOne = this.#keyFile === this.#certFile;
    const certificate = { cert, key: isOne ? cert : await untilAborted(this.#text("--key", this.#keyFile), signal) };
    try {
      createSecureContext(certificate);
    } catch (error) {
      throw new UsageError(`Cannot use --cert and --key: ${(error as Error).message}`, { cause: error });
    }
    return certificate;
  }

  async #text(option: string, file: string): Promise<string> {
    this.#reading++;
    try {
      return await readFile(file, "utf8");
    } catch (error) {
      throw new UsageError(`Cannot use ${option}: ${(error as Error).message}`, { cause: error });
    } finally {
      this.#reading--;
    }
  }
}

/** Milliseconds before now from which on it is valid: a day. Clocks differ, and are set back. */
const BEFORE = 24 * 60 * 60 * 1000;

/** Makes a certificate for this machine. Browsers warn of it, because no authority that they know has signed it. */
export async function makeCertificate(hostname: string): Promise<Certificate> {
  const x509 = await import("./x509.ts");
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const names = [...new Set(["localhost", "127.0.0.1", "::1", hostname])];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=localhost",
    notBefore: new Date(Date.now() - BEFORE),
    notAfter: new Date(Date.now() + VALID),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value }) as const),
      ),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
}
