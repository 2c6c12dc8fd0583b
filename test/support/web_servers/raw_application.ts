// An application that answers with bytes as they stand: what ours never sends, to see what web servers make of it.

import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  decodeBeginRequestBody,
  decodeNameValuePairs,
  encodeNameValuePairs,
  type FastCgiRecord,
  RecordDecoder,
  RecordType,
} from "../../../src/toolkit.ts";
import { joined, latin1 } from "../bytes.ts";

/** The writes that answer a request, by its id. */
export type RawAnswer = (id: number) => readonly Uint8Array[];

/** Answers, by path. */
export type RawAnswers = Readonly<Record<string, RawAnswer>>;

/** How a raw application writes. */
export interface Pace {
  /** Milliseconds between two writes of an answer: nothing tells that the web server has read the first. */
  pause: number;
}

/** A record without padding. */
export function rawRecord(type: number, id: number, content: Uint8Array | string = ""): Uint8Array {
  const bytes = typeof content === "string" ? latin1(content) : content;
  const { length } = bytes;
  return joined(Uint8Array.of(1, type, id >> 8, id & 0xff, length >> 8, length & 0xff, 0, 0), bytes);
}

/** Listens on a Unix socket and answers each path in its way. */
export async function listenRaw(
  path: string,
  answers: RawAnswers,
  pace: Readonly<Pace>,
): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // A reset is one more way to close.
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    answerAll(socket, answers, pace);
  });
  await once(server.listen(path), "listening");
  await chmod(path, 0o660); // Apache's workers come in as our group.
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answerAll(socket: Socket, answers: RawAnswers, pace: Readonly<Pace>): void {
  const decoder = new RecordDecoder();
  const requests = new Map<number, { keepConn: boolean; params: Uint8Array[] }>();
  const answer = async (id: number): Promise<void> => {
    const { keepConn, params } = requests.get(id)!;
    requests.delete(id);
    const uri = new Map(decodeNameValuePairs(joined(...params))).get("REQUEST_URI") ?? "";
    const writes = answers[uri]?.(id) ?? [];
    for (const [i, bytes] of writes.entries()) {
      if (i > 0) await sleep(pace.pause);
      socket.write(bytes);
    }
    if (!keepConn) socket.end();
  };
  const take = ({ type, requestId: id, contentData }: FastCgiRecord): void => {
    if (type === RecordType.GetValues) {
      const values = encodeNameValuePairs([["FCGI_MPXS_CONNS", "0"]]);
      socket.write(rawRecord(RecordType.GetValuesResult, 0, values));
    } else if (type === RecordType.BeginRequest) {
      requests.set(id, { keepConn: decodeBeginRequestBody(contentData).keepConn, params: [] });
    } else if (type === RecordType.Params) {
      requests.get(id)?.params.push(contentData);
    } else if (type === RecordType.Stdin && contentData.length === 0) {
      void answer(id);
    }
  };
  socket.on("data", (chunk: Buffer) => decoder.transform(new Uint8Array(chunk), { enqueue: take }));
}
