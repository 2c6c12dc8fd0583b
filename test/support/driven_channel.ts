import type { ByteChannel, ByteChannelEvents, FastCgiHandler, FastCgiRecord } from "../../src/toolkit.ts";
import { FastCgiServer } from "../../src/toolkit.ts";

import { joined } from "./bytes.ts";
import { recordsIn } from "./records.ts";

/** A connection whose peer is the test: it calls `events`, and finds in `written` what was sent. Takes every write at once. */
export class DrivenChannel implements ByteChannel {
  /** The callbacks of the connection, once it reads. */
  events!: ByteChannelEvents;
  readonly written: Uint8Array[] = [];

  start(events: ByteChannelEvents): void {
    this.events = events;
  }

  pause(): void {}

  resume(): void {}

  write(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    this.written.push(...pieces);
    return undefined;
  }

  async end(): Promise<void> {}

  close(_reason?: unknown): void {}
}

/** Gives `input` to a server's connection, and returns what was written before `onData` returned. */
export async function writtenAtOnce(handler: FastCgiHandler, input: Uint8Array): Promise<FastCgiRecord[]> {
  const channel = new DrivenChannel();
  const served = new FastCgiServer(handler).serve(channel);
  channel.events.onData(input);
  const records = recordsIn(joined(...channel.written));
  channel.events.onEnd();
  await served;
  return records;
}
