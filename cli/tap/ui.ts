// The page of `--ui`: a small HTTP server for this machine's browser. Traffic may hold anything, so the page is given it as data only, and no
// other site, and no other user of the machine, can reach it: the address has a secret, and the Host of a request must be this server's.

import { randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Report, RunningRequest } from "../wire/report.ts";

/** The most events that are kept for a page that is opened later, and the most characters of them. */
const MAX_EVENTS = 1000;
const MAX_KEPT = 32 * 1024 * 1024;
const LOOPBACK = "127.0.0.1";

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "": ["page.html", "text/html; charset=utf-8"],
  "page.css": ["page.css", "text/css; charset=utf-8"],
  "page.js": ["page.js", "text/javascript; charset=utf-8"],
};

/** No content can run as code, be framed, or be sent elsewhere. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** A browser that reads the events, as fast as it can: what waits for it is in `Ui.#events`, and nowhere else. */
interface Reader {
  readonly response: ServerResponse;
  /** The id of the event that it gets next. */
  next: number;
  /** The running requests that it knows of. */
  running: string | null;
  /** Whether it has no room for more. */
  isFull: boolean;
}

export class Ui {
  readonly #server: Server;
  readonly #token = randomBytes(16).toString("hex");
  readonly #readers = new Set<Reader>();
  readonly #began: number;
  /** The last events, as JSON. The id of the first one is `#first`. */
  readonly #events: string[] = [];
  #first = 1;
  #length = 0;
  #running = "[]";

  private constructor(began: number) {
    this.#began = began;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  /**
   * Listens. Rejects with the system's error if the port is taken.
   *
   * @param began When the tap began, in milliseconds since 1970: reports count from then on.
   */
  static async open(port: number, began: number = Date.now()): Promise<Ui> {
    const ui = new Ui(began);
    await new Promise<void>((resolve, reject) => {
      ui.#server.once("error", reject);
      ui.#server.listen(port, LOOPBACK, resolve);
    });
    // Such as too many open files: the traffic goes on.
    ui.#server.on("error", () => {});
    return ui;
  }

  get url(): string {
    return `http://${LOOPBACK}:${this.#port}/${this.#token}/`;
  }

  /** Shows what there is to show of a report. */
  take(report: Report): void {
    if (report.event === "record") return;
    if (report.event === "connection" && (report.what === "opened" || report.what === "closed")) return;
    const json = JSON.stringify(report);
    this.#events.push(json);
    this.#length += json.length;
    while (this.#events.length > MAX_EVENTS || (this.#length > MAX_KEPT && this.#events.length > 1)) {
      this.#length -= this.#events.shift()!.length;
      this.#first++;
    }
    for (const reader of this.#readers) this.#send(reader);
  }

  /** Shows which requests have run for some time. */
  showRunning(requests: readonly RunningRequest[]): void {
    this.#running = JSON.stringify(requests);
    for (const reader of this.#readers) this.#send(reader);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { response } of this.#readers) response.end("event: over\ndata: \n\n");
    this.#server.closeIdleConnections();
    // A browser that has stopped does not read the end.
    setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    await closed;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #answer({ method, headers, url = "" }: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    // A name that another site has made lead here (DNS rebinding) is none of these.
    const port = this.#port === 80 ? "" : `:${this.#port}`;
    if (![`${LOOPBACK}${port}`, `localhost${port}`].includes(headers.host ?? "")) {
      refuse(response, 421, "This is another host");
      return;
    }
    const [, token = "", name = "none"] = /^\/([^/?]*)\/([^?]*)/.exec(url) ?? [];
    if (!isEqual(token, this.#token))
      refuse(response, 403, "The address is not whole: it has a secret, which fetchcgi tap has printed");
    else if (method !== "GET") refuse(response, 405, "Only GET is answered");
    else if (name === "events") this.#stream(headers["last-event-id"], response);
    else if (name === "exchanges.ndjson") this.#export(response);
    else if (Object.hasOwn(FILES, name)) sendFile(FILES[name]!, response);
    else refuse(response, 404, "There is no such page");
  }

  #stream(last: string | string[] | undefined, response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const after = /^\d{1,15}$/.test(String(last)) ? Number(last) : 0;
    response.write(`event: began\ndata: ${this.#began}\n\n`);
    const reader: Reader = { response, next: after + 1, running: null, isFull: false };
    response.on("close", () => this.#readers.delete(reader));
    response.on("drain", () => {
      reader.isFull = false;
      this.#send(reader);
    });
    this.#readers.add(reader);
    this.#send(reader);
  }

  /** Sends what a browser has not got, until it has no room. What is not kept any more is left out; the ids tell the page. */
  #send(reader: Reader): void {
    while (!reader.isFull) {
      reader.next = Math.max(reader.next, this.#first);
      const json = this.#events[reader.next - this.#first];
      let text: string;
      if (reader.running !== this.#running) {
        text = `event: running\ndata: ${this.#running}\n\n`;
        reader.running = this.#running;
      } else if (json !== undefined) {
        text = `id: ${reader.next}\ndata: ${json}\n\n`;
        reader.next++;
      } else return;
      reader.isFull = !reader.response.write(text);
    }
  }

  /** What `fetchcgi inspect` reads. */
  #export(response: ServerResponse): void {
    response.writeHead(200, {
      "content-type": "application/x-ndjson",
      "content-disposition": 'attachment; filename="exchanges.ndjson"',
    });
    response.end(this.#events.map((json) => `${json}\n`).join(""));
  }
}

function sendFile([file, type]: readonly [string, string], response: ServerResponse): void {
  const bytes = readFileSync(new URL(`page/${file}`, import.meta.url));
  response.writeHead(200, { "content-type": type });
  response.end(bytes);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

function isEqual(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}
