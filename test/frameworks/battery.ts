// What an application that takes (req, res) is tried with beside the comparison: uploads, clients that leave, and many requests, on
// connections that nginx keeps.

import { once } from "node:events";
import { Agent } from "node:http";
import { httpOpen, httpRequest } from "../support/http.ts";
import { fastCgiLocation, startNginx } from "../support/nginx.ts";
import { patternChunks, patternSha256 } from "../support/pattern.ts";
import { PeakMemory } from "../support/resident_memory.ts";
import { BATTERY, type BatteryRow } from "./framework.ts";

const MIB = 1024 * 1024;

/** How much an application is asked for. */
export interface Amount {
  readonly uploadBytes: number;
  readonly requests: number;
}

/** What npm run frameworks asks for. */
export const WHOLE: Amount = { uploadBytes: 60 * MIB, requests: 10_000 };

/** At once. */
const UPLOADS = 3;
const LEAVING = 3;
const REQUESTS = 50;

/** MiB by which an application may grow while it gets all uploads at once: less than one and a half of them. */
const MAX_GROWTH = 80;

/** Tries an application, and tells what was not as expected. */
export async function battery(socket: string, pid: number, amount: Amount): Promise<string[]> {
  const nginx = await startNginx({
    locations: [fastCgiLocation(`unix:${socket}`, { keepConn: true, buffering: false, requestBuffering: false })],
    server: "client_max_body_size 0;",
  });
  const tries: Record<BatteryRow, () => Promise<string | null>> = {
    uploads: () => upload(nginx.url, pid, amount.uploadBytes),
    "clients that leave": () => leave(nginx.url),
    requests: () => count(nginx.url, amount.requests),
  };
  const faults: string[] = [];
  try {
    for (const row of BATTERY) {
      const fault = await tries[row]().catch((error: Error) => error.message);
      if (fault !== null) faults.push(`${row}: ${fault}`);
    }
  } finally {
    await nginx.stop();
  }
  return faults;
}

/** Some uploads at once: each digest must be right, and the application must not keep what it got. */
async function upload(url: string, pid: number, bytes: number): Promise<string | null> {
  const sha256 = patternSha256(bytes);
  const send = async (): Promise<string> => {
    const headers = { "content-type": "application/octet-stream", "content-length": bytes };
    const response = await httpRequest(`${url}/digest`, { method: "POST", headers, body: patternChunks(bytes) });
    return response.text();
  };
  const sendAll = (): Promise<string[]> => Promise.all(Array.from({ length: UPLOADS }, send));
  // Code is compiled and buffers of the usual size are there, before anything is measured.
  await send();
  const memory = new PeakMemory(pid);
  const wrong = (await sendAll()).find((answer) => answer !== JSON.stringify({ bytes, sha256 }));
  if (wrong !== undefined) return `the application says ${wrong}`;
  const { growth } = memory;
  return growth < MAX_GROWTH ? null : `the application grew by ${Math.round(growth)} MiB`;
}

/** Clients that leave a stream of events: the application must learn of each. It answers when it has. */
async function leave(url: string): Promise<string | null> {
  for (let index = 0; index < LEAVING; index++) {
    const response = await httpOpen(`${url}/events`);
    await once(response, "readable");
    response.destroy();
  }
  const { status, body } = await httpRequest(`${url}/left/${LEAVING}`);
  return status === 200 && String(body) === String(LEAVING) ? null : `${status} ${body}`;
}

/** Requests with a number each, many at once: each answer must carry the number of its request. */
async function count(url: string, requests: number): Promise<string | null> {
  const agent = new Agent({ keepAlive: true, maxSockets: REQUESTS });
  const wrong: string[] = [];
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < requests) {
      const number = String(next++);
      const { status, body } = await httpRequest(`${url}/number/${number}`, { agent });
      if (status !== 200 || String(body) !== number) wrong.push(`${status} ${body} for ${number}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: REQUESTS }, ask));
  } finally {
    agent.destroy();
  }
  return wrong.length === 0 ? null : `${wrong.length} of ${requests} wrong, the first: ${wrong[0]}`;
}
